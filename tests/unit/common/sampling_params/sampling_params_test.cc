#include "common/sampling_params/sampling_params.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

namespace sextant {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kVocab = 1000;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

void ExpectRefused(const std::string& field, const std::function<void(SamplingParams&)>& spoil) {
  SamplingParams params;
  spoil(params);
  const absl::Status status = Validate(params, kVocab);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << field;
  EXPECT_THAT(std::string(status.message()), HasSubstr(field));
}

TEST(SamplingParamsTest, DefaultsAndTheEndsOfEveryRangeAreAccepted) {
  EXPECT_TRUE(Validate({}, kVocab).ok());
  EXPECT_TRUE(Validate({.temperature = 0.0F,
                        .top_k = 0,
                        .top_p = 1e-9F,
                        .min_p = 0.0F,
                        .repetition_penalty = 0.01F,
                        .presence_penalty = -2.0F,
                        .frequency_penalty = -2.0F,
                        .logit_bias = {{0, -100.0F}},
                        .logprobs = 0},
                       kVocab)
                  .ok());
  EXPECT_TRUE(Validate({.temperature = kMaxTemperature,
                        .top_k = std::numeric_limits<std::int32_t>::max(),
                        .top_p = 1.0F,
                        .min_p = 1.0F,
                        .repetition_penalty = 2.0F,
                        .presence_penalty = 2.0F,
                        .frequency_penalty = 2.0F,
                        .logit_bias = {{0, 1.0F}, {kVocab - 1, 100.0F}},
                        .logprobs = kMaxLogprobs},
                       kVocab)
                  .ok());
}

TEST(SamplingParamsTest, ValuesOutsideTheirRangeAreRefusedByName) {
  for (const float bad : {-0.1F, 100.5F, kNaN, kInf, -kInf}) {
    ExpectRefused("temperature", [=](auto& p) { p.temperature = bad; });
  }
  for (const float bad : {0.0F, -0.5F, 1.01F, kNaN, kInf}) {
    ExpectRefused("top_p", [=](auto& p) { p.top_p = bad; });
  }
  for (const float bad : {-0.01F, 1.01F, kNaN, kInf}) {
    ExpectRefused("min_p", [=](auto& p) { p.min_p = bad; });
  }
  for (const float bad : {0.0F, -1.0F, 2.01F, kNaN, kInf}) {
    ExpectRefused("repetition_penalty", [=](auto& p) { p.repetition_penalty = bad; });
  }
  for (const float bad : {-2.01F, 2.01F, kNaN, -kInf}) {
    ExpectRefused("presence_penalty", [=](auto& p) { p.presence_penalty = bad; });
    ExpectRefused("frequency_penalty", [=](auto& p) { p.frequency_penalty = bad; });
  }
  ExpectRefused("top_k", [](auto& p) { p.top_k = -1; });
  ExpectRefused("logprobs", [](auto& p) { p.logprobs = -1; });
  ExpectRefused("logprobs", [](auto& p) { p.logprobs = kMaxLogprobs + 1; });
}

TEST(SamplingParamsTest, LogitBiasMustNameTokensOnceAndInRange) {
  ExpectRefused("logit_bias[0] names token -1", [](auto& p) { p.logit_bias = {{-1, 1.0F}}; });
  ExpectRefused("logit_bias[0] names token 1000", [](auto& p) { p.logit_bias = {{kVocab, 1.0F}}; });
  ExpectRefused("logit_bias[0] is ", [](auto& p) { p.logit_bias = {{3, 100.5F}}; });
  ExpectRefused("logit_bias[0] is ", [](auto& p) { p.logit_bias = {{3, kNaN}}; });
  ExpectRefused("logit_bias[2] names token 5 twice", [](auto& p) {
    p.logit_bias = {{5, 1}, {2, 1}, {5, 2}};
  });
}

}  // namespace
}  // namespace sextant
