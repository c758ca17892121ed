#include "attention_worker/cache/latent_cache.h"

#include <gtest/gtest.h>

#include <cstring>

namespace sextant {
namespace {

constexpr LatentCacheShape kShape{
    .num_layers = 2, .width = 3, .block_tokens = 4, .num_blocks = 6, .dtype = DType::kFp32};

float& At(LatentCache& cache, int layer, std::int64_t slot, std::int64_t i) {
  return static_cast<float*>(cache.Layer(layer).data)[slot * kShape.width + i];
}

TEST(LatentCacheTest, V2LiteTokenTakes31104Bytes) {
  const LatentCacheShape shape{
      .num_layers = 27, .width = 576, .block_tokens = 64, .num_blocks = 1, .dtype = DType::kBf16};
  EXPECT_EQ(shape.BytesPerToken(), 31104);
}

TEST(LatentCacheTest, LayersAndBlocksDoNotOverlap) {
  auto cache = *LatentCache::Create(kShape);
  float next = 0;
  for (int layer = 0; layer < 2; ++layer) {
    for (std::int64_t slot = 0; slot < 24; ++slot) {
      for (std::int64_t i = 0; i < 3; ++i) At(*cache, layer, slot, i) = next++;
    }
  }
  EXPECT_EQ(At(*cache, 0, 0, 0), 0.0F);
  EXPECT_EQ(At(*cache, 1, 0, 0), 72.0F);
  EXPECT_EQ(At(*cache, 1, 23, 2), 143.0F);
}

TEST(LatentCacheTest, UnreservableSizeIsAnError) {
  LatentCacheShape shape = kShape;
  shape.width = std::int64_t{1} << 40;
  const auto cache = LatentCache::Create(shape);
  EXPECT_EQ(cache.status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(SequenceBlocksTest, GrowsBlockByBlock) {
  auto cache = *LatentCache::Create(kShape);
  SequenceBlocks blocks(*cache);
  ASSERT_TRUE(blocks.PrepareWrite(0, 4).ok());
  EXPECT_EQ(blocks.table().size(), 1U);
  ASSERT_TRUE(blocks.PrepareWrite(4, 5).ok());
  EXPECT_EQ(blocks.table().size(), 2U);
  ASSERT_TRUE(blocks.PrepareWrite(5, 8).ok());
  EXPECT_EQ(blocks.table().size(), 2U);
  EXPECT_EQ(blocks.Slot(5), blocks.table()[1] * 4 + 1);
}

TEST(SequenceBlocksTest, ForkSharesUntilOneSideWrites) {
  auto cache = *LatentCache::Create(kShape);
  SequenceBlocks parent(*cache);
  ASSERT_TRUE(parent.PrepareWrite(0, 6).ok());
  At(*cache, 1, parent.Slot(5), 0) = 42.0F;

  SequenceBlocks child = parent.Fork(6);
  EXPECT_EQ(cache->pool().num_free(), 4);
  EXPECT_EQ(child.BlocksNeeded(6, 7), 1);
  ASSERT_TRUE(child.PrepareWrite(6, 7).ok());
  EXPECT_EQ(child.table()[0], parent.table()[0]);
  EXPECT_NE(child.table()[1], parent.table()[1]);
  EXPECT_EQ(At(*cache, 1, child.Slot(5), 0), 42.0F);

  At(*cache, 1, child.Slot(5), 0) = 1.0F;
  EXPECT_EQ(At(*cache, 1, parent.Slot(5), 0), 42.0F);
  EXPECT_EQ(parent.BlocksNeeded(6, 8), 0);  // the last holder writes in place
}

TEST(SequenceBlocksTest, FullPoolChangesNothing) {
  auto cache = *LatentCache::Create(kShape);
  SequenceBlocks large(*cache);
  ASSERT_TRUE(large.PrepareWrite(0, 20).ok());
  SequenceBlocks small(*cache);
  const absl::Status status = small.PrepareWrite(0, 8);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(small.table().empty());
  EXPECT_EQ(cache->pool().num_free(), 1);
  large.Clear();
  EXPECT_TRUE(small.PrepareWrite(0, 8).ok());
}

TEST(SequenceBlocksTest, BlocksComeBackWhenTheSequenceEnds) {
  auto cache = *LatentCache::Create(kShape);
  {
    SequenceBlocks blocks(*cache);
    ASSERT_TRUE(blocks.PrepareWrite(0, 24).ok());
    const SequenceBlocks fork = blocks.Fork(24);
    EXPECT_EQ(cache->pool().num_free(), 0);
  }
  EXPECT_EQ(cache->pool().num_free(), 6);
}

}  // namespace
}  // namespace sextant
