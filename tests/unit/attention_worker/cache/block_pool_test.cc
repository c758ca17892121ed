#include "attention_worker/cache/block_pool.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace sextant
