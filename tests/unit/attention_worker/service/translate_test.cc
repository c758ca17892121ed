#include "attention_worker/service/translate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message_of.h"
#include "tests/unit/attention_worker/service/start_sequence.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(TranslateTest, ARequestArrivesWhole) {
  v1::StartSequence start = MakeStart(5, {1, 2, 3}, 9, 77);
  start.add_generated_ids(8);
  start.add_stop_ids(4);
  start.set_priority(-3);
  v1::SamplingParams& sampling = *start.mutable_sampling();
  sampling.set_temperature(0.5F);
  sampling.set_top_k(11);
  sampling.set_top_p(0.25F);
  sampling.set_min_p(0.125F);
  sampling.set_repetition_penalty(1.5F);
  sampling.set_presence_penalty(-1.0F);
  sampling.set_frequency_penalty(0.75F);
  sampling.set_logprobs(0);
  v1::LogitBias& bias = *sampling.add_logit_bias();
  bias.set_token_id(6);
  bias.set_bias(-2.0F);

  const auto request = ToGenerationRequest(start);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_THAT(request->prompt_ids, ElementsAre(1, 2, 3));
  EXPECT_THAT(request->generated_ids, ElementsAre(8));
  EXPECT_THAT(request->stop_ids, ElementsAre(4));
  EXPECT_EQ(request->max_tokens, 9);
  EXPECT_EQ(request->priority, -3);
  EXPECT_EQ(request->sampling.temperature, 0.5F);
  EXPECT_EQ(request->sampling.top_k, 11);
  EXPECT_EQ(request->sampling.top_p, 0.25F);
  EXPECT_EQ(request->sampling.min_p, 0.125F);
  EXPECT_EQ(request->sampling.repetition_penalty, 1.5F);
  EXPECT_EQ(request->sampling.presence_penalty, -1.0F);
  EXPECT_EQ(request->sampling.frequency_penalty, 0.75F);
  EXPECT_EQ(request->sampling.logprobs, 0);
  EXPECT_EQ(request->sampling.seed, 77U);
  ASSERT_EQ(request->sampling.logit_bias.size(), 1U);
  EXPECT_EQ(request->sampling.logit_bias[0].id, 6);
  EXPECT_EQ(request->sampling.logit_bias[0].bias, -2.0F);
}

TEST(TranslateTest, AFieldThatTheRouterForgotIsNamed) {
  v1::StartSequence start = MakeStart(5, {1}, 1, 1);
  start.mutable_sampling()->clear_min_p();
  EXPECT_THAT(MessageOf(ToGenerationRequest(start)), HasSubstr("sampling.min_p"));
  start = MakeStart(5, {1}, 1, 1);
  start.mutable_sampling()->clear_seed();
  EXPECT_THAT(MessageOf(ToGenerationRequest(start)), HasSubstr("sampling.seed"));
}

TEST(TranslateTest, LogprobsTravelWhenTheyWereAskedFor) {
  StreamEvent event{.sequence = 3,
                    .token = SampledToken{.id = 9, .logprob = -0.5F, .heaviest = {{9, -0.5F}}},
                    .with_logprobs = false,
                    .finish = FinishReason::kStop,
                    .cached_prompt_tokens = 12};
  v1::SequenceEvent message = ToProto(event);
  EXPECT_EQ(message.sequence(), 3U);
  EXPECT_EQ(message.token().id(), 9);
  EXPECT_TRUE(message.token().finished());
  EXPECT_TRUE(message.token().stopped());
  EXPECT_EQ(message.cached_prompt_tokens(), 12);
  EXPECT_FALSE(message.token().has_logprobs());

  event.with_logprobs = true;
  event.finish = FinishReason::kLength;
  message = ToProto(event);
  EXPECT_TRUE(message.token().finished());
  EXPECT_FALSE(message.token().stopped());
  EXPECT_EQ(message.token().logprobs().logprob(), -0.5F);
  ASSERT_EQ(message.token().logprobs().top_size(), 1);
  EXPECT_THAT(message.token().logprobs().top(0).token(), IsEmpty());
}

TEST(TranslateTest, AFailureSaysWhetherAnotherWorkerMayDoBetter) {
  const auto failure = [](const absl::Status& status) {
    return ToProto(StreamEvent{.sequence = 1, .token = status, .finish = {}}).failure();
  };
  EXPECT_TRUE(failure(absl::InvalidArgumentError("no")).permanent());
  EXPECT_TRUE(failure(absl::InternalError("a logit is not finite")).permanent());
  EXPECT_FALSE(failure(absl::ResourceExhaustedError("full")).permanent());
  EXPECT_FALSE(failure(absl::UnavailableError("leaving")).permanent());
  EXPECT_EQ(failure(absl::UnavailableError("leaving")).code(), 14);
  EXPECT_EQ(failure(absl::UnavailableError("leaving")).message(), "leaving");
}

}  // namespace
}  // namespace sextant
