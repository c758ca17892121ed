#include "common/membership/held_epochs.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

v1::Placement Numbered(std::uint64_t epoch) {
  v1::Placement placement;
  placement.set_epoch(epoch);
  return placement;
}

TEST(HeldEpochsTest, CommitsWhatWasPreparedLast) {
  HeldEpochs held;
  held.Prepared(Numbered(3));
  held.Prepared(Numbered(5));
  EXPECT_FALSE(held.CheckCommit(3).ok());
  ASSERT_TRUE(held.CheckCommit(5).ok());
  held.Committed();
  EXPECT_EQ(held.committed().epoch(), 5U);
  EXPECT_FALSE(held.CheckCommit(5).ok());
}

TEST(HeldEpochsTest, NothingIsCommittedOrRetiredAtFirst) {
  const HeldEpochs held;
  EXPECT_EQ(held.committed().epoch(), 0U);
  EXPECT_FALSE(held.CheckCommit(0).ok());
  EXPECT_FALSE(held.CheckCommit(1).ok());
  EXPECT_FALSE(held.CheckRetire(0).ok());
}

TEST(HeldEpochsTest, NumbersAscend) {
  HeldEpochs held;
  held.Prepared(Numbered(5));
  held.Committed();
  EXPECT_FALSE(held.CheckPrepare(5).ok());
  EXPECT_FALSE(held.CheckPrepare(4).ok());
  EXPECT_TRUE(held.CheckPrepare(6).ok());
}

TEST(HeldEpochsTest, OnlyTheCommittedEpochIsRetired) {
  HeldEpochs held;
  held.Prepared(Numbered(5));
  held.Committed();
  held.Prepared(Numbered(6));
  EXPECT_TRUE(held.CheckRetire(5).ok());
  EXPECT_FALSE(held.CheckRetire(6).ok());
  EXPECT_FALSE(held.CheckRetire(4).ok());
}

TEST(HeldEpochsTest, RemembersTheHighestNumberHeard) {
  HeldEpochs held;
  held.Heard(7);
  held.Heard(3);
  EXPECT_EQ(held.newest(), 7U);
}

TEST(HeldEpochsTest, AHaltedEpochIsHeldNoLonger) {
  HeldEpochs held;
  held.Prepared(Numbered(5));
  held.Committed();
  held.Prepared(Numbered(6));
  held.Halted(7);
  EXPECT_EQ(held.committed().epoch(), 0U);
  EXPECT_FALSE(held.CheckCommit(6).ok());
  EXPECT_EQ(held.newest(), 7U);
  EXPECT_TRUE(held.IsOver(6));
  EXPECT_FALSE(held.IsOver(7));
  ASSERT_TRUE(held.CheckPrepare(7).ok());
  held.Prepared(Numbered(7));
  ASSERT_TRUE(held.CheckCommit(7).ok());
  held.Committed();
  EXPECT_EQ(held.committed().epoch(), 7U);
}

TEST(HeldEpochsTest, AnEpochFromTheHaltsNumberOnIsKept) {
  HeldEpochs held;
  held.Prepared(Numbered(5));
  held.Committed();
  held.Prepared(Numbered(6));
  held.Halted(5);
  EXPECT_EQ(held.committed().epoch(), 5U);
  EXPECT_TRUE(held.CheckCommit(6).ok());
}

TEST(HeldEpochsTest, AnOlderHaltTakesNothingBack) {
  HeldEpochs held;
  held.Halted(7);
  held.Halted(4);
  EXPECT_TRUE(held.IsOver(6));
  EXPECT_EQ(held.newest(), 7U);
}

}  // namespace
}  // namespace sextant
