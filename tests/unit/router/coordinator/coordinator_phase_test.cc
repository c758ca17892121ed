// The phases of an epoch: who may do what before whom, and what happens when somebody comes, goes
// or dies meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/router/coordinator/coordinator_fixture.h"

namespace sextant {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CoordinatorPhaseTest : public CoordinatorTest {
 protected:
  // Epoch 2 is prepared by everybody but `last`.
  void PrepareAllBut(const std::string& last) {
    StartCluster(3);
    cluster_.AddExpert("e3");
    cluster_.DeliverEverything();
    for (int i = 0; i < 10 && cluster_.Status().phase() == "steady"; ++i) {
      cluster_.Pass(absl::Milliseconds(50));
      if (cluster_.Status().phase() == "steady") cluster_.DeliverEverything();
    }
    ASSERT_EQ(cluster_.Status().phase(), "prepare");
    for (auto& [id, worker] : cluster_.workers()) {
      if (id != last) DeliverAll(worker);
    }
  }
  // And everybody but `last` has committed it.
  void CommitAllBut(const std::string& last) {
    PrepareAllBut(last);
    SimulatedWorker& slow = cluster_.worker(last);
    while (cluster_.Status().phase() == "prepare") {
      ASSERT_TRUE(cluster_.DeliverToWorker(slow) || cluster_.DeliverToCoordinator(slow));
    }
    for (auto& [id, worker] : cluster_.workers()) {
      if (id != last) DeliverAll(worker);
    }
    ASSERT_EQ(cluster_.Status().phase(), "commit");
  }
  void DeliverAll(SimulatedWorker& worker) {
    while (cluster_.DeliverToWorker(worker) || cluster_.DeliverToCoordinator(worker)) {
    }
  }
};

TEST_F(CoordinatorPhaseTest, NobodyCommitsBeforeAllHavePrepared) {
  PrepareAllBut("a0");
  EXPECT_EQ(cluster_.worker("e0").committed.epoch(), 1U);
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
}

TEST_F(CoordinatorPhaseTest, NobodyRetiresBeforeAttentionHasCommitted) {
  CommitAllBut("a0");
  EXPECT_EQ(cluster_.worker("e0").held.size(), 3U);  // more than its share of the new epoch
  cluster_.DeliverEverything();
  EXPECT_EQ(cluster_.worker("e0").held.size(), 2U);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorPhaseTest, DeathWhilePreparingBeginsANewNumber) {
  PrepareAllBut("a0");
  cluster_.Kill(cluster_.worker("e1"));
  cluster_.DeliverEverything();
  EXPECT_EQ(cluster_.Status().epoch(), 3U);
  EXPECT_EQ(cluster_.Status().phase(), "steady");
  EXPECT_THAT(Events(), Contains(HasSubstr("epoch 2: given up in prepare")));
  cluster_.CheckSteady();
}

TEST_F(CoordinatorPhaseTest, DeathWhileCommittingBeginsANewNumber) {
  CommitAllBut("a0");
  cluster_.Kill(cluster_.worker("e1"));
  cluster_.HearOfEnds();
  EXPECT_EQ(cluster_.Status().phase(), "prepare");
  cluster_.DeliverEverything();
  EXPECT_EQ(cluster_.Status().epoch(), 3U);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorPhaseTest, DeadAttentionWorkerIsWaitedForNoLonger) {
  CommitAllBut("a0");
  cluster_.Kill(cluster_.worker("a0"));
  cluster_.DeliverEverything();
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  EXPECT_EQ(cluster_.worker("e0").held.size(), 2U);
}

TEST_F(CoordinatorPhaseTest, JoinWhilePreparingGoesIntoTheNextEpoch) {
  PrepareAllBut("a0");
  cluster_.AddExpert("e4");
  cluster_.DeliverEverything();
  EXPECT_THAT(Placed("e4"), IsEmpty());
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.Status().epoch(), 3U);
  EXPECT_THAT(Placed("e4"), SizeIs(AnyOf(1, 2)));
  cluster_.CheckSteady();
}

TEST_F(CoordinatorPhaseTest, LeavingWhilePreparingGoesIntoTheNextEpoch) {
  PrepareAllBut("a0");
  cluster_.Leave(cluster_.worker("e3"));
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.Status().epoch(), 3U);
  EXPECT_TRUE(cluster_.worker("e3").over.has_value());
  cluster_.CheckSteady();
}

TEST_F(CoordinatorPhaseTest, LeaverIsNotLetGoWhileAnOlderEpochIsInUse) {
  StartCluster(3);
  cluster_.Leave(cluster_.worker("e0"));
  SimulatedWorker& a0 = cluster_.worker("a0");
  SimulatedWorker& e0 = cluster_.worker("e0");
  // Epoch 2, without e0, is committed by the coordinator; a0 does not hear of it.
  for (const char* id : {"e0", "e1", "e2"}) DeliverAll(cluster_.worker(id));
  while (cluster_.Status().phase() == "prepare") {
    ASSERT_TRUE(cluster_.DeliverToWorker(a0) || cluster_.DeliverToCoordinator(a0));
  }
  ASSERT_EQ(a0.committed.epoch(), 1U);
  // Another death: epoch 2 is given up in the middle, and a0 still sends rows to e0.
  cluster_.Kill(cluster_.worker("e1"));
  cluster_.HearOfEnds();
  DeliverAll(e0);
  EXPECT_FALSE(e0.over.has_value());
  cluster_.Run(absl::Seconds(1));
  EXPECT_TRUE(e0.over.has_value());
  cluster_.CheckSteady();
}

TEST_F(CoordinatorPhaseTest, AnswersForAGivenUpEpochAreDropped) {
  PrepareAllBut("a0");
  cluster_.Kill(cluster_.worker("e1"));
  cluster_.HearOfEnds();
  ASSERT_EQ(cluster_.Status().phase(), "prepare");
  for (const char* id : {"e0", "e2", "e3"}) DeliverAll(cluster_.worker(id));  // for epoch 3
  SimulatedWorker& a0 = cluster_.worker("a0");
  ASSERT_TRUE(cluster_.DeliverToWorker(a0));  // prepare 2
  while (cluster_.DeliverToCoordinator(a0)) {
  }
  EXPECT_EQ(cluster_.Status().phase(), "prepare");
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
}

TEST_F(CoordinatorPhaseTest, DoubledAnswerOfAnOlderEpochIsNoAnswer) {
  CommitAllBut("a0");
  const std::size_t first = cluster_.SentBy(
      "a0", [](const v1::WorkerMessage& message) { return message.committed().epoch() == 1; });
  cluster_.DeliverAgain(first);
  EXPECT_EQ(cluster_.Status().phase(), "commit");
  EXPECT_EQ(cluster_.worker("e0").held.size(), 3U);
}

TEST_F(CoordinatorPhaseTest, NumberThatWasOnlyPreparedIsNotUsedAgain) {
  PrepareAllBut("a0");
  cluster_.RestartRouter();
  cluster_.Run(absl::Seconds(2));
  EXPECT_EQ(cluster_.Status().epoch(), 3U);
}

}  // namespace
}  // namespace sextant
