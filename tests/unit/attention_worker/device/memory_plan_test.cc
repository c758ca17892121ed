#include "attention_worker/device/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "expert_worker/device/device_experts.h"
#include "expert_worker/device/local_device_exchange.h"
#include "tests/support/message_of.h"
#include "tests/support/v2_lite.h"
#include "tests/unit/attention_worker/device/small_v2_config.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

// The whole model on one card, computing `rows` rows and `sequences` sequences at once.
MemoryPlanInput WholeModel(const ModelConfig& config, std::int64_t budget, std::int64_t rows,
                           std::int64_t sequences) {
  return {.budget_bytes = budget,
          .reserve_bytes = kGiB,
          .routed_expert_bytes = DeviceExperts::Bytes(config, config.n_routed_experts),
          .expert_workspace_bytes = LocalDeviceExchange::Bytes(config, rows),
          .max_batch_tokens = rows,
          .max_sequences = sequences,
          .block_tokens = 64};
}

std::int64_t BytesOf(const MemoryPlan& plan, absl::string_view name) {
  for (const MemoryRegion& region : plan.regions) {
    if (region.name == name) return region.bytes;
  }
  ADD_FAILURE() << name;
  return 0;
}

TEST(MemoryPlan, V2LiteFitsACardOf40GiBWith250000CachedTokens) {
  const ModelConfig config = V2LiteConfig();
  const auto plan = PlanMemory(config, WholeModel(config, 40 * kGiB, 2048, 256));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_GE(plan->cached_tokens, 250'000) << FormatTable(*plan);
  EXPECT_EQ(plan->cached_tokens, std::int64_t{plan->num_blocks} * 64);
  EXPECT_EQ(BytesOf(*plan, "latent cache"), plan->cached_tokens * 31'104);
  // Nothing is left over that a block would fit in, but for what the workspaces of a slightly
  // larger cache take.
  EXPECT_LE(plan->TotalBytes(), 40 * kGiB);
  EXPECT_GT(plan->TotalBytes(), 40 * kGiB - 8 * 64 * 31'104);
  // What MODEL.md counts, in bf16, and beside it UK again for every layer and the rotary tables.
  const std::int64_t again = 27 * 16 * 512 * 128 * 2 + 2 * 163840 * 32 * 2;
  std::int64_t weights = 0;
  for (const absl::string_view name :
       {"embedding", "attention", "dense feed-forward", "shared experts", "routed experts", "head",
        "norms and gates"}) {
    weights += BytesOf(*plan, name);
  }
  EXPECT_GE(weights, 2 * std::int64_t{15'706'484'224} + again);
  EXPECT_LE(weights, 2 * std::int64_t{15'706'484'224} + again + 200 * 1024);
  EXPECT_LE(BytesOf(*plan, "attention workspaces"), kGiB / 4);
}

TEST(MemoryPlan, RegionsComeInTheOrderOfTheTable) {
  const ModelConfig config = SmallV2Config();
  const auto plan = PlanMemory(config, WholeModel(config, 2 * kGiB, 100, 7));
  ASSERT_TRUE(plan.ok()) << plan.status();
  std::vector<std::string> names;
  for (const MemoryRegion& region : plan->regions) {
    names.emplace_back(region.name);
    EXPECT_GT(region.bytes, 0) << region.name;
  }
  EXPECT_THAT(names,
              ElementsAre("embedding", "attention", "dense feed-forward", "shared experts",
                          "routed experts", "head", "norms and gates", "activations of a step",
                          "attention workspaces", "expert workspaces", "sampling workspaces",
                          "step inputs", "latent cache", "reserve"));
}

TEST(MemoryPlan, ThePlannedStepIsTheOneThatIsLaidOut) {
  const ModelConfig config = SmallV2Config();
  const auto plan = PlanMemory(config, WholeModel(config, 2 * kGiB, 100, 7));
  ASSERT_TRUE(plan.ok()) << plan.status();
  const StepLayout layout = LayOutStep(config, plan->step, nullptr);
  EXPECT_EQ(layout.bytes(),
            BytesOf(*plan, "activations of a step") + BytesOf(*plan, "attention workspaces") +
                BytesOf(*plan, "sampling workspaces") + BytesOf(*plan, "step inputs"));
  // It is large enough for whatever the cache can hold.
  const StepSizes least = LargestStep(config, {.max_batch_tokens = 100,
                                               .max_sequences = 7,
                                               .block_tokens = 64,
                                               .cache_tokens = plan->cached_tokens});
  EXPECT_GE(plan->step.max_blocks, least.max_blocks);
  EXPECT_GE(plan->step.max_splits, least.max_splits);
  EXPECT_GE(plan->step.span_keys, least.span_keys);
}

TEST(MemoryPlan, WithoutExpertsTheCacheHasTheirRoom) {
  const ModelConfig config = V2LiteConfig();
  MemoryPlanInput input = WholeModel(config, 40 * kGiB, 512, 64);
  const auto whole = PlanMemory(config, input);
  input.routed_expert_bytes = 0;
  input.expert_workspace_bytes = 0;
  const auto half = PlanMemory(config, input);
  ASSERT_TRUE(whole.ok() && half.ok());
  EXPECT_GT(half->cached_tokens, whole->cached_tokens + 900'000);
  EXPECT_THAT(FormatTable(*half), Not(HasSubstr("expert workspaces")));
}

TEST(MemoryPlan, AWishedCacheIsRoundedUpToBlocksAndLeavesTheRest) {
  const ModelConfig config = V2LiteConfig();
  MemoryPlanInput input = WholeModel(config, 80 * kGiB, 512, 64);
  input.cache_tokens = 100'001;
  const auto plan = PlanMemory(config, input);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->num_blocks, 1563);
  EXPECT_EQ(plan->cached_tokens, 100'032);
  EXPECT_LT(plan->TotalBytes(), 40 * kGiB);
}

// The number of bytes in "... (N bytes) are missing ...".
std::int64_t MissingIn(const std::string& message) {
  const std::size_t begin = message.find('(') + 1;
  return std::stoll(message.substr(begin));
}

TEST(MemoryPlan, AShortageSaysHowManyBytesAreMissing) {
  const ModelConfig config = V2LiteConfig();
  for (const bool wished : {true, false}) {
    MemoryPlanInput input = WholeModel(config, 32 * kGiB, 512, 64);
    if (wished) input.cache_tokens = 100'000;
    if (!wished) input.budget_bytes = 30 * kGiB;
    const auto plan = PlanMemory(config, input);
    ASSERT_EQ(plan.status().code(), absl::StatusCode::kResourceExhausted);
    const std::int64_t missing = MissingIn(MessageOf(plan));
    EXPECT_GT(missing, 0);
    input.budget_bytes += missing - 1;
    EXPECT_EQ(MissingIn(MessageOf(PlanMemory(config, input))), 1);
    input.budget_bytes += 1;
    EXPECT_TRUE(PlanMemory(config, input).ok());
  }
}

TEST(MemoryPlan, AShortageSaysWhatToDo) {
  const ModelConfig config = V2LiteConfig();
  MemoryPlanInput input = WholeModel(config, 40 * kGiB, 512, 64);
  input.cache_tokens = 400'000;
  const std::string message = MessageOf(PlanMemory(config, input));
  EXPECT_THAT(message, HasSubstr("of 40.00 GiB, "));
  EXPECT_THAT(message, HasSubstr("a cache of 400000 tokens"));
  // What it offers fits.
  const std::size_t offer = message.find("ask for ") + 8;
  input.cache_tokens = std::stoll(message.substr(offer));
  EXPECT_GT(*input.cache_tokens, 250'000);
  EXPECT_TRUE(PlanMemory(config, input).ok()) << message;

  input = WholeModel(config, 30 * kGiB + 2 * kGiB / 5, 512, 64);
  EXPECT_THAT(MessageOf(PlanMemory(config, input)),
              HasSubstr("use a smaller max_batch_tokens or max_sequences, or give more memory"));
  input.budget_bytes = 24 * kGiB;
  EXPECT_THAT(MessageOf(PlanMemory(config, input)),
              HasSubstr("weights and reserve alone take 30.35 GiB: give more memory"));
}

TEST(MemoryPlan, WhatCannotBeIsRefused) {
  const ModelConfig config = V2LiteConfig();
  MemoryPlanInput input = WholeModel(config, 40 * kGiB, 512, 64);
  input.block_tokens = 0;
  EXPECT_EQ(PlanMemory(config, input).status().code(), absl::StatusCode::kInvalidArgument);
  input.block_tokens = 64;
  input.cache_tokens = 4'000'000;  // more than 2^31 values of a layer
  EXPECT_THAT(MessageOf(PlanMemory(config, input)), HasSubstr("kernels count to 3728256"));
}

TEST(MemoryPlan, NoCacheIsLargerThanKernelsCountTo) {
  const ModelConfig config = V2LiteConfig();
  const auto plan = PlanMemory(config, WholeModel(config, 400 * kGiB, 512, 64));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->cached_tokens, 3'728'256);
}

TEST(MemoryPlan, TheTableHasALineForEachRegionAndTheirSum) {
  MemoryPlan plan;
  plan.regions = {{"embedding", 400 << 20}, {"head", 0}, {"latent cache", 3 * kGiB / 2}};
  plan.budget_bytes = 2 * kGiB;
  plan.cached_tokens = 128;
  EXPECT_EQ(FormatTable(plan),
            "embedding                 400.0 MiB   19.5%\n"
            "latent cache               1.50 GiB   75.0%  128 tokens\n"
            "all                        1.89 GiB   94.5%  of 2.00 GiB\n");
}

}  // namespace
}  // namespace sextant
