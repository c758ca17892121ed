#include "attention_worker/cache/prefix_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

using Ids = std::vector<std::int32_t>;

class PrefixCacheTest : public testing::Test {
 protected:
  static constexpr std::int32_t kBlocks = 6;

  PrefixCacheTest()
      : cache_(*LatentCache::Create({.num_layers = 1,
                                     .width = 4,
                                     .block_tokens = 2,
                                     .num_blocks = kBlocks,
                                     .dtype = DType::kBf16})),
        prefixes_(std::make_unique<PrefixCache>(*cache_)) {}

  // A sequence that has computed all of `prompt`.
  SequenceBlocks Computed(const Ids& prompt) {
    SequenceBlocks blocks(*cache_);
    EXPECT_TRUE(blocks.PrepareWrite(0, static_cast<std::int64_t>(prompt.size())).ok());
    prefixes_->Insert(prompt, blocks.table().first(prompt.size() / 2));
    return blocks;
  }

  std::unique_ptr<LatentCache> cache_;
  std::unique_ptr<PrefixCache> prefixes_;
};

TEST_F(PrefixCacheTest, FindsTheLongestHeadOfFullBlocks) {
  const SequenceBlocks blocks = Computed({1, 2, 3, 4, 5});
  EXPECT_THAT(prefixes_->Find(Ids{1, 2, 3, 4, 5}), ElementsAreArray(blocks.table().first(2)));
  EXPECT_THAT(prefixes_->Find(Ids{1, 2, 3, 4}), ElementsAreArray(blocks.table().first(2)));
  EXPECT_THAT(prefixes_->Find(Ids{1, 2, 3, 9, 5, 6}), ElementsAreArray(blocks.table().first(1)));
  EXPECT_THAT(prefixes_->Find(Ids{1}), IsEmpty());
  EXPECT_THAT(prefixes_->Find(Ids{}), IsEmpty());
  EXPECT_THAT(prefixes_->Find(Ids{9, 2, 3, 4}), IsEmpty());
}

TEST_F(PrefixCacheTest, EqualTokensAfterAnotherHeadAreAnotherBlock) {
  const SequenceBlocks first = Computed({1, 2, 7, 8});
  const SequenceBlocks second = Computed({3, 4, 7, 8});
  EXPECT_THAT(prefixes_->Find(Ids{3, 4, 7, 8}), ElementsAreArray(second.table()));
  EXPECT_THAT(prefixes_->Find(Ids{7, 8}), IsEmpty());
}

TEST_F(PrefixCacheTest, TheBlockThatIsKnownAlreadyStays) {
  const SequenceBlocks first = Computed({1, 2});
  const SequenceBlocks second = Computed({1, 2, 3, 4});
  EXPECT_THAT(prefixes_->Find(Ids{1, 2, 3, 4}), ElementsAre(first.table()[0], second.table()[1]));
}

TEST_F(PrefixCacheTest, AKnownBlockIsFreeWhenNobodyUsesItAndComesBack) {
  Ids head;
  {
    const SequenceBlocks blocks = Computed({1, 2, 3, 4});
    head.assign(blocks.table().begin(), blocks.table().end());
  }
  EXPECT_EQ(cache_->pool().num_free(), kBlocks);
  SequenceBlocks again(*cache_);
  again.Adopt(prefixes_->Find(Ids{1, 2, 3, 4}));
  EXPECT_THAT(again.table(), ElementsAreArray(head));
  EXPECT_EQ(cache_->pool().num_free(), kBlocks - 2);
  EXPECT_EQ(again.BlocksNeeded(3, 4), 1) << "what others may find is copied before a write";
}

TEST_F(PrefixCacheTest, RoomIsTakenFromTheEndOfWhatWasUnusedLongest) {
  { const SequenceBlocks blocks = Computed({1, 2, 3, 4}); }
  { const SequenceBlocks blocks = Computed({5, 6}); }
  SequenceBlocks others(*cache_);
  ASSERT_TRUE(others.PrepareWrite(0, 8).ok());  // three empty ones, and the tail 3, 4
  EXPECT_EQ(prefixes_->Find(Ids{1, 2, 3, 4}).size(), 1U);
  ASSERT_TRUE(others.PrepareWrite(8, 10).ok());
  EXPECT_THAT(prefixes_->Find(Ids{1, 2}), IsEmpty());
  EXPECT_EQ(prefixes_->Find(Ids{5, 6}).size(), 1U);
  EXPECT_EQ(prefixes_->num_blocks(), 1);
}

TEST_F(PrefixCacheTest, ABlockWhoseHeadWasLostIsKnownAgainUnderANewOne) {
  SequenceBlocks tail(*cache_);
  {
    const SequenceBlocks head = Computed({1, 2});
    // Computes the same head for itself, and knows what follows under the head above.
    ASSERT_TRUE(tail.PrepareWrite(0, 4).ok());
    prefixes_->Insert(Ids{1, 2, 3, 4}, tail.table());
  }
  SequenceBlocks others(*cache_);
  ASSERT_TRUE(others.PrepareWrite(0, 8).ok());  // takes the head's room
  EXPECT_THAT(prefixes_->Find(Ids{1, 2, 3, 4}), IsEmpty());
  prefixes_->Insert(Ids{1, 2, 3, 4}, tail.table());
  EXPECT_THAT(prefixes_->Find(Ids{1, 2, 3, 4}), ElementsAreArray(tail.table()));
  EXPECT_EQ(prefixes_->num_blocks(), 2);
}

TEST_F(PrefixCacheTest, AtItsEndNothingIsKept) {
  { const SequenceBlocks blocks = Computed({1, 2, 3, 4}); }
  const SequenceBlocks used = Computed({5, 6});
  prefixes_ = nullptr;
  for (std::int32_t block = 0; block < kBlocks; ++block) {
    EXPECT_FALSE(cache_->pool().IsKept(block));
  }
  EXPECT_EQ(cache_->pool().num_free(), kBlocks - 1);
}

}  // namespace
}  // namespace sextant
