#include "attention_worker/cache/block_pool.h"

#include <gtest/gtest.h>

#include <vector>

namespace sextant {
namespace {

TEST(BlockPoolTest, HandsOutLowestFreeBlockFirst) {
  BlockPool pool(4);
  EXPECT_EQ(pool.Take(), 0);
  EXPECT_EQ(pool.Take(), 1);
  EXPECT_EQ(pool.Take(), 2);
  pool.Release(1);
  pool.Release(0);
  EXPECT_EQ(pool.Take(), 0);
  EXPECT_EQ(pool.Take(), 1);
  EXPECT_EQ(pool.Take(), 3);
  EXPECT_EQ(pool.num_free(), 0);
}

TEST(BlockPoolTest, SharedBlockIsFreeWithItsLastReference) {
  BlockPool pool(2);
  const std::int32_t block = pool.Take();
  EXPECT_FALSE(pool.IsShared(block));
  pool.AddReference(block);
  EXPECT_TRUE(pool.IsShared(block));
  pool.Release(block);
  EXPECT_FALSE(pool.IsShared(block));
  EXPECT_EQ(pool.num_free(), 1);
  pool.Release(block);
  EXPECT_EQ(pool.num_free(), 2);
}

TEST(BlockPoolDeathTest, TakingFromAnEmptyPoolIsABug) {
  BlockPool pool(1);
  (void)pool.Take();
  EXPECT_DEATH((void)pool.Take(), "CHECK failed");
}

TEST(BlockPoolTest, AKeptBlockIsFreeAndIsGivenOutLast) {
  BlockPool pool(3);
  const std::int32_t kept = pool.Take();
  pool.Keep(kept);
  EXPECT_TRUE(pool.IsShared(kept)) << "a write would change what others may find";
  pool.Release(kept);
  EXPECT_EQ(pool.num_free(), 3);
  std::vector<std::int32_t> lost;
  pool.set_eviction_listener([&lost](std::int32_t block) { lost.push_back(block); });
  EXPECT_NE(pool.Take(), kept);
  EXPECT_NE(pool.Take(), kept);
  EXPECT_TRUE(lost.empty());
  EXPECT_EQ(pool.Take(), kept);
  EXPECT_EQ(lost, std::vector<std::int32_t>{kept});
  EXPECT_FALSE(pool.IsKept(kept));
}

TEST(BlockPoolTest, OfKeptBlocksTheOneReleasedLongestAgoGoesFirst) {
  BlockPool pool(3);
  for (int i = 0; i < 3; ++i) pool.Keep(pool.Take());
  for (const std::int32_t block : {1, 0, 2}) pool.Release(block);
  pool.AddReference(1);
  pool.Release(1);  // used again: now the newest
  EXPECT_EQ(pool.Take(), 0);
  EXPECT_EQ(pool.Take(), 2);
  EXPECT_EQ(pool.Take(), 1);
}

TEST(BlockPoolTest, AForgottenBlockIsEmpty) {
  BlockPool pool(2);
  pool.Keep(pool.Take());
  pool.Keep(pool.Take());
  pool.Release(1);
  pool.Forget(1);
  pool.Forget(0);
  EXPECT_EQ(pool.num_free(), 1);
  pool.Release(0);
  EXPECT_EQ(pool.Take(), 0) << "lowest number first";
}

}  // namespace
}  // namespace sextant
