#include "cli/plan/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <string>

#include "tests/support/v2_lite.h"

namespace sextant::cli {
namespace {

using ::testing::HasSubstr;

PlanRequest Of(const char* card, const RankCounts& counts) {
  RankCounts with_experts = counts;
  with_experts.experts = 64;
  PlanRequest request = {.model = V2LiteConfig(),
                         .batches = {32},
                         .context = 1000,
                         .prompt = 512,
                         .efficiency = 0.5,
                         .reserve_bytes = 1 << 30};
  request.cluster = {.card = FindCard(card).value(),
                     .form = counts.form,
                     .ranks = MakeRanks(with_experts),
                     .gpus_per_node = 8,
                     .network_bytes_per_s = 50e9,
                     .hop_s = counts.gpus > 1 ? 1e-5 : 0};
  return request;
}

RankCounts Colocated(std::int64_t gpus) {
  return {.form = Form::kColocated, .gpus = gpus, .gpus_per_node = 8};
}

std::int64_t MissingBytes(const absl::Status& status) {
  const std::string message(status.message());
  std::smatch match;
  return std::regex_search(message, match, std::regex("lacks (\\d+) bytes")) ? std::stoll(match[1])
                                                                             : 0;
}

TEST(MakePlan, ExpectsTheFloorOverTheEfficiency) {
  const Plan plan = MakePlan(Of("a100-40g", {})).value();
  ASSERT_EQ(plan.steps.size(), 2U);
  const PlannedStep& decode = plan.steps[0];
  EXPECT_NEAR(decode.expected_s, 2 * decode.floor.total_s(), 1e-12);
  EXPECT_NEAR(decode.tokens_per_s, 32 / decode.expected_s, 1e-9);
  EXPECT_NEAR(decode.tokens_per_s_of_each(), 1 / decode.expected_s, 1e-9);
  const PlannedStep& prefill = plan.steps[1];
  EXPECT_FALSE(prefill.decode);
  EXPECT_NEAR(prefill.tokens_per_s, 512 / prefill.expected_s, 1e-6);
}

TEST(MakePlan, PrefillsAloneAndOnEveryAttentionGpu) {
  const Plan plan = MakePlan(Of("h100", Colocated(8))).value();
  ASSERT_EQ(plan.steps.size(), 3U);
  EXPECT_EQ(plan.steps[1].sequences, 1);
  EXPECT_EQ(plan.steps[2].sequences, 8);
  EXPECT_GT(plan.steps[2].floor.total_s(), plan.steps[1].floor.total_s());
  EXPECT_GT(plan.steps[2].tokens_per_s, plan.steps[1].tokens_per_s);
}

TEST(MakePlan, MoreGpusCacheMoreAndReadFewerExperts) {
  std::int64_t cached = MakePlan(Of("h100", {})).value().cached_tokens;
  double weights_s = 1;
  for (const std::int64_t gpus : {2, 4, 8, 16}) {
    const Plan plan = MakePlan(Of("h100", Colocated(gpus))).value();
    EXPECT_GT(plan.cached_tokens, cached) << gpus;
    EXPECT_LT(plan.steps[0].floor.weights_s, weights_s) << gpus;
    cached = plan.cached_tokens;
    weights_s = plan.steps[0].floor.weights_s;
  }
}

TEST(MakePlan, OnlyAttentionGpusCache) {
  const Plan plan =
      MakePlan(Of("h100", {.form = Form::kApart, .gpus = 4, .gpus_per_node = 8, .attention = 1}))
          .value();
  EXPECT_GT(plan.gpus[0].cached_tokens, 0);
  EXPECT_EQ(plan.gpus[0].expert_weight_bytes, 0);
  EXPECT_EQ(plan.gpus[1].cached_tokens, 0);
  EXPECT_EQ(plan.gpus[1].attention_weight_bytes, 0);
  EXPECT_EQ(plan.cached_tokens, plan.gpus[0].cached_tokens);
}

// The bytes that an error names are those that are missing: with them it fits, with one less not.
void ExpectsExactlyTheMissingBytes(PlanRequest request) {
  const absl::StatusOr<Plan> plan = MakePlan(request);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kResourceExhausted);
  const std::int64_t missing = MissingBytes(plan.status());
  ASSERT_GT(missing, 0) << plan.status();
  request.cluster.card.memory_bytes += missing - 1;
  const absl::StatusOr<Plan> almost = MakePlan(request);
  ASSERT_FALSE(almost.ok());
  EXPECT_EQ(MissingBytes(almost.status()), 1) << almost.status();
  request.cluster.card.memory_bytes += 1;
  EXPECT_TRUE(MakePlan(request).ok()) << MakePlan(request).status();
}

TEST(MakePlan, WeightsThatDoNotFitNameTheGpusThatWouldHoldThem) {
  PlanRequest request = Of("a100-40g", {});
  request.cluster.card.memory_bytes = std::int64_t{24} << 30;
  request.batches = {1};
  const std::string message(MakePlan(request).status().message());
  EXPECT_THAT(message, HasSubstr("GPU 0 lacks "));
  EXPECT_THAT(message, HasSubstr("experts 28.79 GB"));  // 64 * 26 * 3 * 2048 * 1408 * 2
  EXPECT_THAT(message, HasSubstr("--gpus 2 --form colocated would hold them"));
  request.cluster.ranks =
      MakeRanks({.form = Form::kColocated, .gpus = 2, .gpus_per_node = 8, .experts = 64});
  request.cluster.form = Form::kColocated;
  EXPECT_TRUE(MakePlan(request).ok()) << MakePlan(request).status();
}

TEST(MakePlan, ExpertGpusThatAreTooSmallAskForMoreOfThem) {
  PlanRequest request =
      Of("a100-40g", {.form = Form::kApart, .gpus = 2, .gpus_per_node = 8, .attention = 1});
  request.cluster.card.memory_bytes = std::int64_t{12} << 30;
  EXPECT_THAT(std::string(MakePlan(request).status().message()),
              HasSubstr("--experts 3 would hold them"));
}

TEST(MakePlan, AnAttentionHalfThatDoesNotFitNeedsLargerCards) {
  PlanRequest request = Of("a100-40g", {});
  request.cluster.card.memory_bytes = std::int64_t{2} << 30;
  EXPECT_THAT(std::string(MakePlan(request).status().message()),
              HasSubstr("no number of such GPUs helps"));
}

TEST(MakePlan, CachesThatDoNotFitNameABatchAndAContextThatWould) {
  PlanRequest request = Of("a100-40g", {});
  request.batches = {1, 32};
  request.context = 32768;
  const absl::StatusOr<Plan> plan = MakePlan(request);
  ASSERT_FALSE(plan.ok());
  const std::string message(plan.status().message());
  std::smatch match;
  ASSERT_TRUE(std::regex_search(message, match, std::regex("--batch (\\d+), --context (\\d+),")))
      << message;
  PlanRequest fewer = request;
  fewer.batches = {std::stoll(match[1])};
  EXPECT_TRUE(MakePlan(fewer).ok()) << MakePlan(fewer).status();
  PlanRequest shorter = request;
  shorter.context = std::stoll(match[2]);
  EXPECT_TRUE(MakePlan(shorter).ok()) << MakePlan(shorter).status();
}

TEST(MakePlan, ErrorsNameExactlyTheBytesThatAreMissing) {
  PlanRequest cache = Of("a100-40g", {});
  cache.context = 32768;
  ExpectsExactlyTheMissingBytes(cache);
  PlanRequest experts =
      Of("a100-40g", {.form = Form::kApart, .gpus = 2, .gpus_per_node = 8, .attention = 1});
  experts.cluster.card.memory_bytes = std::int64_t{24} << 30;
  ExpectsExactlyTheMissingBytes(experts);
}

}  // namespace
}  // namespace sextant::cli
