#include "common/exchange/ranks/rank_epochs.h"

#include <gtest/gtest.h>

#include <future>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "tests/unit/common/exchange/ranks/stub_communicator.h"

namespace sextant {
namespace {

class RankEpochsTest : public ::testing::Test {
 protected:
  absl::Status Prepare(std::uint64_t epoch) {
    auto communicator = std::make_shared<StubCommunicator>(
        [&told = ended_[epoch]] { told.set_value(); }, &aborted_[epoch]);
    of_[epoch] = communicator.get();
    return epochs_.Prepare({epoch, std::move(communicator), Alone()});
  }
  static RankLayout Alone() {
    return *RankLayout::Make(1, {RankRole{.attends = true, .experts = {0}}});
  }
  void Enter(std::uint64_t epoch) {
    inside_ = epochs_.Enter(epoch);
    ASSERT_TRUE(inside_.has_value());
    EXPECT_EQ(inside_->epoch, epoch);
    EXPECT_EQ(inside_->communicator.get(), of_[epoch]);
  }
  [[nodiscard]] bool Sound(std::uint64_t epoch) {
    const absl::Status health = epochs_.CheckHealth(epoch, *of_[epoch]);
    EXPECT_TRUE(health.ok() || absl::IsUnavailable(health)) << health;
    return health.ok();
  }
  void AwaitEnd(std::uint64_t epoch) { ended_[epoch].get_future().wait(); }

  std::map<std::uint64_t, std::promise<void>> ended_;
  std::map<std::uint64_t, bool> aborted_;
  std::map<std::uint64_t, StubCommunicator*> of_;
  RankEpochs epochs_;
  std::optional<RankMembership> inside_;  // the engine's
};

TEST_F(RankEpochsTest, AHaltFailsTheHealthOfWhatIsSoundAndAbortsNothing) {
  ASSERT_TRUE(Prepare(3).ok());
  Enter(3);
  ASSERT_TRUE(Prepare(4).ok());
  EXPECT_TRUE(Sound(3));
  epochs_.Halt(4);
  EXPECT_FALSE(Sound(3));
  EXPECT_TRUE(Sound(4));
  EXPECT_FALSE(aborted_[3]);
  EXPECT_TRUE(of_[3]->Health().ok());
  epochs_.EndBefore(4);
  EXPECT_TRUE(aborted_[3]);
  EXPECT_FALSE(aborted_[4]);
  Enter(4);
  AwaitEnd(3);
}

TEST_F(RankEpochsTest, WhatTheNetworkHasLostIsNotSound) {
  ASSERT_TRUE(Prepare(3).ok());
  of_[3]->health = {DeviceError::kDevice, "a link is down"};
  EXPECT_FALSE(Sound(3));
}

TEST_F(RankEpochsTest, AHaltedEpochThatWasLeftIsStillAborted) {
  ASSERT_TRUE(Prepare(3).ok());
  Enter(3);
  epochs_.Halt(4);
  inside_.reset();
  epochs_.LeaveBefore(4);
  EXPECT_FALSE(aborted_[3]);
  epochs_.EndBefore(4);
  EXPECT_TRUE(aborted_[3]);
  AwaitEnd(3);
}

TEST_F(RankEpochsTest, OneThatEndsBetweenStepsEndsWhenItIsLeftAndIsNeverAborted) {
  ASSERT_TRUE(Prepare(3).ok());
  Enter(3);
  ASSERT_TRUE(Prepare(4).ok());  // given up for 5
  ASSERT_TRUE(Prepare(5).ok());
  Enter(5);
  epochs_.LeaveBefore(5);
  AwaitEnd(3);
  AwaitEnd(4);
  epochs_.EndBefore(5);
  EXPECT_FALSE(aborted_[3] || aborted_[4] || aborted_[5]);
  EXPECT_TRUE(Sound(5));
}

TEST_F(RankEpochsTest, WhatIsHaltedIsNeitherEnteredNorPrepared) {
  ASSERT_TRUE(Prepare(3).ok());
  epochs_.Halt(4);
  EXPECT_FALSE(epochs_.Enter(3).has_value());
  EXPECT_EQ(Prepare(2).code(), absl::StatusCode::kFailedPrecondition);
  AwaitEnd(2);
  EXPECT_TRUE(Prepare(4).ok());
  epochs_.Halt(2);  // comes late
  EXPECT_TRUE(Sound(4));
  Enter(4);
}

TEST_F(RankEpochsTest, PreparedTwiceIsPreparedOnce) {
  ASSERT_TRUE(Prepare(3).ok());
  StubCommunicator* const first = of_[3];
  std::promise<void> ended;
  auto second = std::make_shared<StubCommunicator>([&ended] { ended.set_value(); });
  ASSERT_TRUE(epochs_.Prepare({3, std::move(second), Alone()}).ok());
  ended.get_future().wait();
  Enter(3);
  EXPECT_EQ(inside_->communicator.get(), first);
}

}  // namespace
}  // namespace sextant
