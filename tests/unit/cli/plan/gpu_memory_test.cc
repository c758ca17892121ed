#include "cli/plan/gpu_memory.h"

#include <gtest/gtest.h>

#include "cli/engine/cache_limits.h"
#include "tests/support/v2_lite.h"

namespace sextant::cli {
namespace {

constexpr std::int64_t kGib = std::int64_t{1} << 30;
constexpr MemoryNeeds kNeeds = {
    .reserve_bytes = kGib, .step_rows = 512, .sequences = 32, .cluster_rows = 512};

// One expert of V2-Lite: gate, up and down of 2048 * 1408 bf16 values in each of 26 layers.
constexpr std::int64_t kExpertBytes = 26LL * 3 * 2048 * 1408 * 2;
// Lists of the experts in each layer, and what lies between pieces.
constexpr std::int64_t kExpertSlack = 26 * 4096;
// All parameters but those of the 64 experts.
constexpr std::int64_t kAttentionHalfBytes = 2 * 15706484224 - 64 * kExpertBytes;
// R + rope values, bf16, 27 layers.
constexpr std::int64_t kTokenBytes = 576 * 2 * 27;

TEST(ShareFor, CountsTheWeightsOfV2Lite) {
  const GpuShare all =
      ShareFor(V2LiteConfig(), {.attention = true, .experts = 64}, kNeeds, 64).value();
  EXPECT_GE(all.expert_weight_bytes, 64 * kExpertBytes);
  EXPECT_LT(all.expert_weight_bytes, 64 * kExpertBytes + kExpertSlack);
  EXPECT_EQ(all.reserve_bytes, kGib);
  // Nothing is left out, and what is there twice for the kernels is little.
  EXPECT_GE(all.attention_weight_bytes, kAttentionHalfBytes);
  EXPECT_LT(all.attention_weight_bytes, kAttentionHalfBytes + kAttentionHalfBytes / 20);
  EXPECT_GT(all.workspace_bytes, 0);
}

TEST(ShareFor, CachesWholeBlocks) {
  const GpuShare share = ShareFor(V2LiteConfig(), {.attention = true}, kNeeds, 1000).value();
  EXPECT_EQ(share.cached_tokens, 1024);
  EXPECT_EQ(share.cache_bytes, 1024 * kTokenBytes);
  EXPECT_EQ(share.expert_weight_bytes, 0);
}

TEST(ShareFor, WithoutAttentionThereAreExpertsAlone) {
  const GpuShare share = ShareFor(V2LiteConfig(), {.experts = 8}, kNeeds, 1000).value();
  EXPECT_EQ(share.attention_weight_bytes, 0);
  EXPECT_EQ(share.cache_bytes, 0);
  EXPECT_EQ(share.cached_tokens, 0);
  EXPECT_GE(share.expert_weight_bytes, 8 * kExpertBytes);
  EXPECT_LT(share.expert_weight_bytes, 8 * kExpertBytes + kExpertSlack);
}

TEST(ShareFor, WorkspacesGrowWithRows) {
  MemoryNeeds more = kNeeds;
  more.step_rows *= 4;
  more.cluster_rows *= 4;
  for (const Rank& rank : {Rank{.attention = true}, Rank{.experts = 8}}) {
    EXPECT_GT(ShareFor(V2LiteConfig(), rank, more, 64).value().workspace_bytes,
              ShareFor(V2LiteConfig(), rank, kNeeds, 64).value().workspace_bytes);
  }
}

// 512 rows of 2048 bf16 values that come, and 6 outputs of each of 512 that come back.
TEST(ShareFor, RowsThatTravelNeedRoom) {
  const GpuShare all =
      ShareFor(V2LiteConfig(), {.attention = true, .experts = 64}, kNeeds, 64).value();
  const GpuShare most =
      ShareFor(V2LiteConfig(), {.attention = true, .experts = 63}, kNeeds, 64).value();
  EXPECT_EQ(most.workspace_bytes - all.workspace_bytes, (512 + 6 * 512) * 2048 * 2);
}

TEST(LargestShare, FillsTheCardToLessThanABlock) {
  for (const std::int64_t memory : {40 * kGib, 80 * kGib}) {
    const Rank rank = {.attention = true, .experts = 64};
    const GpuShare share = LargestShare(V2LiteConfig(), rank, kNeeds, memory).value();
    EXPECT_LE(share.total_bytes(), memory);
    EXPECT_EQ(share.cache_bytes, share.cached_tokens * kTokenBytes);
    const GpuShare more =
        ShareFor(V2LiteConfig(), rank, kNeeds, share.cached_tokens + kBlockTokens).value();
    EXPECT_GT(more.total_bytes(), memory);
  }
}

TEST(LargestShare, SaysWhenNothingFits) {
  EXPECT_EQ(LargestShare(V2LiteConfig(), {.experts = 64}, kNeeds, 24 * kGib).status().code(),
            absl::StatusCode::kResourceExhausted);
}

// Nobody plans with other numbers than those that the model's published sizes give.
TEST(LargestShare, HoldsV2LiteOnACardOf40GiB) {
  const GpuShare share =
      LargestShare(V2LiteConfig(), {.attention = true, .experts = 64}, kNeeds, 40 * kGib).value();
  EXPECT_GE(share.cached_tokens, 250000);
}

}  // namespace
}  // namespace sextant::cli
