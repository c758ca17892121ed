#include "router/scheduling/prefix_index.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace sextant::router {
namespace {

std::vector<std::int32_t> Ids(std::size_t count, std::int32_t first = 0) {
  std::vector<std::int32_t> ids(count);
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

TEST(BlockHashesTest, OnlyWholeBlocksCount) {
  for (const std::size_t tokens : {0U, 1U, 15U, 16U, 17U, 31U, 32U, 33U}) {
    EXPECT_EQ(BlockHashes(Ids(tokens), 16).size(), tokens / 16) << tokens;
  }
  EXPECT_TRUE(BlockHashes(Ids(64), 0).empty());
}

TEST(BlockHashesTest, AHashSpeaksForEverythingBeforeIt) {
  std::vector<std::int32_t> ids = Ids(48);
  const std::vector<std::uint64_t> hashes = BlockHashes(ids, 16);
  ids[0] = 1000;
  const std::vector<std::uint64_t> others = BlockHashes(ids, 16);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NE(hashes[i], others[i]) << i;
  ids[0] = 0;
  ids[20] = 1000;
  const std::vector<std::uint64_t> later = BlockHashes(ids, 16);
  EXPECT_EQ(hashes[0], later[0]);
  EXPECT_NE(hashes[1], later[1]);
  EXPECT_NE(hashes[2], later[2]);
}

TEST(PrefixIndexTest, CountsTheBlocksThatAWorkerHasFromTheFirstOne) {
  PrefixIndex index(100);
  const std::vector<std::uint64_t> hashes = BlockHashes(Ids(64), 16);
  index.Insert(absl::MakeConstSpan(hashes).subspan(0, 2), 1);
  index.Insert(hashes, 2);
  EXPECT_EQ(index.CachedBlocks(hashes, 1), 2);
  EXPECT_EQ(index.CachedBlocks(hashes, 2), 4);
  EXPECT_EQ(index.CachedBlocks(hashes, 3), 0);
  index.Forget(2);
  EXPECT_EQ(index.CachedBlocks(hashes, 2), 0);
  EXPECT_EQ(index.CachedBlocks(hashes, 1), 2);
  EXPECT_EQ(index.size(), 2U);
}

TEST(PrefixIndexTest, ForgetsTheEndOfTheChainThatWasUsedLongestAgo) {
  PrefixIndex index(6);
  const std::vector<std::uint64_t> old = BlockHashes(Ids(64, 0), 16);
  const std::vector<std::uint64_t> fresh = BlockHashes(Ids(64, 500), 16);
  index.Insert(old, 1);
  index.Insert(fresh, 1);
  EXPECT_EQ(index.size(), 6U);
  EXPECT_EQ(index.CachedBlocks(old, 1), 2);
  EXPECT_EQ(index.CachedBlocks(fresh, 1), 4);
  index.Insert(old, 1);
  EXPECT_EQ(index.CachedBlocks(old, 1), 4);
  EXPECT_EQ(index.CachedBlocks(fresh, 1), 2);
}

}  // namespace
}  // namespace sextant::router
