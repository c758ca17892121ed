// What ends an epoch of ranks before its time: deaths in every phase, changes that are given up,
// and the halt that comes first then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/router/coordinator/coordinator_ranks_fixture.h"

namespace sextant {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using CoordinatorLostRankTest = CoordinatorRanksTest;

TEST_F(CoordinatorLostRankTest, AllAreHaltedBeforeAnybodyPrepares) {
  StartRanks({"a0", "a1", "e0", "e1"});
  Die("e1");
  cluster_.HearOfEnds();
  EXPECT_EQ(cluster_.Status().phase(), "halt");
  EXPECT_EQ(cluster_.Status().change().participants(), 3);
  EXPECT_THAT(cluster_.directory(), ElementsAre("a0", "a1"));
  DeliverAllBut("a1");
  EXPECT_EQ(cluster_.Status().phase(), "halt");
  EXPECT_EQ(cluster_.Status().change().answered(), 2);
  EXPECT_EQ(Entered("a0"), 0U);
  EXPECT_EQ(cluster_.worker("a0").committed.epoch(), 0U);  // nothing is held any more
  EXPECT_EQ(cluster_.epochs_begun(), 1);
  AnswerUntil("a1", "prepare");
  cluster_.DeliverEverything();
  EXPECT_EQ(cluster_.Status().phase(), "steady");
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  EXPECT_EQ(RanksBy("a1"), "a0* a1* e0");
  EXPECT_EQ(cluster_.causes().at("death"), 1);
  EXPECT_THAT(cluster_.directory(), ElementsAre("a0", "a1"));
  cluster_.CheckSteady();
}

TEST_F(CoordinatorLostRankTest, ThatOfOneThatOnlyAttendsBreaksTheEpochAsWell) {
  StartRanks({"a0", "a1", "e0"});
  const auto before = Placed("e0");
  Die("a1");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(Halts(), 1);
  EXPECT_EQ(RanksBy("a0"), "a0* e0");
  EXPECT_EQ(Placed("e0"), before);
  EXPECT_EQ(cluster_.causes().at("death"), 1);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorLostRankTest, TheConductorsIsOneLikeOthers) {
  StartRanks({"c0", "c1", "c2"});
  Die("c0");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(RanksBy("c1"), "c1* c2*");
  cluster_.CheckSteady();
}

TEST_F(CoordinatorLostRankTest, AnotherOneWhileAllAreHalted) {
  StartRanks({"c0", "c1", "c2", "c3"});
  Die("c0");
  cluster_.HearOfEnds();
  DeliverAllBut("c1");
  Die("c1");  // has not answered
  cluster_.HearOfEnds();
  EXPECT_EQ(cluster_.Status().phase(), "prepare");
  cluster_.DeliverEverything();
  EXPECT_EQ(Halts(), 1);
  EXPECT_EQ(RanksBy("c2"), "c2* c3*");
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorLostRankTest, OneThatComesBackWhileAllAreHaltedIsHaltedToo) {
  StartRanks({"c0", "c1", "c2"});
  SimulatedWorker& lost = cluster_.worker("c2");
  lost.frozen = true;
  while (State("c2") != "none") {
    cluster_.Pass(absl::Milliseconds(50));
    if (State("c2") != "none") cluster_.DeliverEverything();
  }
  EXPECT_EQ(cluster_.Status().phase(), "halt");
  DeliverAll("c0");
  lost.frozen = false;
  while (cluster_.DeliverToWorker(lost)) {  // learns that its stream has ended
  }
  cluster_.Dial(lost);
  cluster_.DeliverToCoordinator(lost);
  EXPECT_EQ(Entered("c2"), 1U);
  DeliverAll("c1");
  EXPECT_EQ(cluster_.Status().phase(), "halt");
  AnswerUntil("c2", "prepare");
  EXPECT_EQ(Entered("c2"), 0U);
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(RanksBy("c0"), "c0* c1* c2*");
  cluster_.CheckSteady();
}

TEST_F(CoordinatorLostRankTest, OfTheEpochInForceWhileTheNextIsPrepared) {
  StartRanks({"a0", "a1", "e0"});
  AddRank("e1");
  RunUntil("prepare");
  DeliverAllBut("a0");
  Die("a1");
  cluster_.HearOfEnds();
  EXPECT_EQ(cluster_.Status().phase(), "halt");
  EXPECT_THAT(Events(), Contains(HasSubstr("epoch 2: given up in prepare: a1 is gone")));
  cluster_.DeliverEverything();
  EXPECT_EQ(cluster_.Status().epoch(), 3U);
  EXPECT_EQ(RanksBy("a0"), "a0* e0 e1");
  cluster_.CheckSteady();
}

TEST_F(CoordinatorLostRankTest, OfANewcomerWhileItsEpochIsPreparedLeavesTheOneInForce) {
  StartRanks({"a0", "e0"});
  AddRank("e1");
  AddRank("e2");
  RunUntil("prepare");
  DeliverAllBut("a0");
  Die("e2");
  cluster_.HearOfEnds();
  EXPECT_EQ(cluster_.Status().phase(), "prepare");  // without a halt, for those that remain
  EXPECT_EQ(Entered("a0"), 1U);
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(Halts(), 0);
  EXPECT_EQ(RanksBy("a0"), "a0* e0 e1");
  EXPECT_EQ(cluster_.Status().epoch(), 3U);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorLostRankTest, WhileAnEpochAfterAHaltIsPreparedNeedsNoOtherHalt) {
  StartRanks({"c0", "c1", "c2", "c3"});
  Die("c0");
  cluster_.HearOfEnds();
  DeliverAllBut("c1");
  AnswerUntil("c1", "prepare");
  DeliverAll("c2");
  EXPECT_EQ(Entered("c2"), 0U);  // nobody enters before the commit
  Die("c3");
  cluster_.HearOfEnds();
  EXPECT_EQ(cluster_.Status().phase(), "prepare");
  cluster_.DeliverEverything();
  EXPECT_EQ(Halts(), 1);
  EXPECT_EQ(RanksBy("c1"), "c1* c2*");
  cluster_.CheckSteady();
}

TEST_F(CoordinatorLostRankTest, WhileTheNextIsCommittedBreaksBothWhoeverDies) {
  for (const char* dead : {"a0", "a1", "a2", "e0", "e1"}) {
    SCOPED_TRACE(dead);
    SimulatedCluster cluster({});
    for (const char* id : {"a0", "a1"}) cluster.AddRank(v1::ROLE_ATTENTION, id);
    for (const char* id : {"e0", "e1", "e2"}) cluster.AddRank(v1::ROLE_EXPERT, id);
    cluster.Run(absl::Seconds(1));
    cluster.AddRank(v1::ROLE_ATTENTION, "a2");
    cluster.DeliverEverything();
    cluster.Pass(absl::Milliseconds(20));
    cluster.DeliverEverything();  // its first heartbeat
    // Epoch 2 is one with a2 and without e1.
    cluster.Leave(cluster.worker("e1"));
    while (cluster.DeliverToCoordinator(cluster.worker("e1"))) {
    }
    for (auto& [id, worker] : cluster.workers()) {
      while (cluster.DeliverToWorker(worker)) {
      }
    }
    for (auto& [id, worker] : cluster.workers()) {
      while (cluster.DeliverToCoordinator(worker)) {
      }
    }
    ASSERT_EQ(cluster.Status().phase(), "commit");
    // The conductor has not heard of it; the others wait.
    for (const char* id : {"a1", "a2", "e0", "e1", "e2"}) {
      while (cluster.DeliverToWorker(cluster.worker(id))) {
      }
    }
    EXPECT_EQ(cluster.worker("a1").rank.entered, 1U);
    cluster.Kill(cluster.worker(dead));
    cluster.HearOfEnds();
    EXPECT_EQ(cluster.Status().phase(), "halt");
    cluster.Run(absl::Seconds(2));
    EXPECT_EQ(cluster.phases().at("halt"), 1);
    cluster.CheckSteady();
    EXPECT_THAT(cluster.violations(), IsEmpty());
  }
}

TEST_F(CoordinatorLostRankTest, WhenSomeHaveEnteredTheNewOne) {
  StartRanks({"a0", "e0", "e1"});
  AddRank("a1");
  RunUntil("prepare");
  DeliverAllBut("a1");
  AnswerUntil("a1", "commit");
  DeliverAllBut("a1");
  EXPECT_EQ(Entered("a0"), 2U);
  ASSERT_EQ(cluster_.Status().phase(), "commit");
  Die("e1");
  cluster_.HearOfEnds();
  EXPECT_EQ(cluster_.Status().phase(), "halt");
  cluster_.DeliverEverything();
  EXPECT_EQ(RanksBy("a1"), "a0* a1* e0");
  cluster_.CheckSteady();
}

TEST_F(CoordinatorLostRankTest, OneThatHasLeftTheOldEpochIsMissedOnceAllHave) {
  StartRanks({"a0", "e0", "e1"});
  cluster_.Leave(cluster_.worker("e1"));
  AnswerUntil("e1", "prepare");
  DeliverAllBut("e0");
  AnswerUntil("e0", "commit");
  DeliverAllBut("e0");
  AnswerUntil("e0", "retire");
  Die("e1");
  cluster_.DeliverEverything();
  EXPECT_EQ(Halts(), 0);
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorLostRankTest, WhileExpertsAreDroppedBreaksTheNewEpoch) {
  StartRanks({"a0", "a1", "e0"});
  AddRank("e1");
  RunUntil("prepare");
  for (const char* phase : {"commit", "retire"}) {
    DeliverAllBut("e0");
    AnswerUntil("e0", phase);
  }
  Die("a1");
  cluster_.HearOfEnds();
  EXPECT_EQ(cluster_.Status().phase(), "halt");
  cluster_.DeliverEverything();
  EXPECT_EQ(RanksBy("a0"), "a0* e0 e1");
  cluster_.CheckSteady();
}

TEST_F(CoordinatorLostRankTest, AFailedPreparationLeavesTheEpochInForce) {
  StartRanks({"a0", "e0"});
  AddRank("e1").fails_to_prepare = true;
  AddRank("a1");
  RunUntil("prepare");
  cluster_.DeliverEverything();
  EXPECT_EQ(cluster_.Status().phase(), "steady");
  EXPECT_EQ(Entered("a0"), 1U);
  EXPECT_EQ(Entered("a1"), 0U);
  cluster_.worker("e1").fails_to_prepare = false;
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(Halts(), 0);
  EXPECT_EQ(RanksBy("a0"), "a0* a1* e0 e1");
  cluster_.CheckSteady();
}

TEST_F(CoordinatorLostRankTest, AFailedPreparationWithoutOneInForceNeedsNoHalt) {
  AddRank("a0");
  AddRank("e0").fails_to_prepare = true;
  RunUntil("prepare");
  cluster_.DeliverEverything();
  EXPECT_EQ(Entered("a0"), 0U);
  cluster_.worker("e0").fails_to_prepare = false;
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(Halts(), 0);
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  EXPECT_EQ(cluster_.causes().at("start"), 1);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorLostRankTest, OneThatDoesNotHaltIsEnded) {
  StartRanks({"a0", "a1", "e0", "e1"});
  Die("e1");
  cluster_.HearOfEnds();
  SimulatedWorker& stuck = cluster_.worker("a1");
  // It sends heartbeats, and obeys nothing.
  for (int i = 0; i < 70 && State("a1") != "none"; ++i) {
    cluster_.Pass(absl::Milliseconds(50));
    for (const char* id : {"a0", "e0"}) DeliverAll(id);
    while (State("a1") != "none" && cluster_.DeliverToCoordinator(stuck)) {
    }
    if (i == 50) {
      EXPECT_EQ(cluster_.Status().phase(), "halt");
    }
  }
  EXPECT_THAT(Events(), Contains(HasSubstr("a1 is gone: did not halt within 3s")));
  cluster_.Run(absl::Seconds(2));
  EXPECT_EQ(RanksBy("a0"), "a0* a1* e0");  // it has joined anew
  cluster_.CheckSteady();
}

TEST_F(CoordinatorLostRankTest, OfTheLastThatHoldsExpertsHaltsTheOthersWhichWait) {
  StartRanks({"a0", "a1", "e0"});
  Die("e0");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(Halts(), 1);
  EXPECT_EQ(Entered("a0"), 0U);
  EXPECT_THAT(cluster_.directory(), IsEmpty());
  EXPECT_EQ(cluster_.Status().phase(), "waiting for workers");
  EXPECT_EQ(cluster_.epochs_begun(), 1);
  AddRank("e1");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(Halts(), 1);
  EXPECT_EQ(RanksBy("a0"), "a0* a1* e1");
  EXPECT_THAT(cluster_.directory(), ElementsAre("a0", "a1"));
  cluster_.CheckSteady();
}

TEST_F(CoordinatorLostRankTest, HoldersThatJoinWhileAllAreHaltedAreInTheEpochThatFollows) {
  StartRanks({"a0", "a1", "e0"});
  Die("e0");
  cluster_.HearOfEnds();
  EXPECT_THAT(cluster_.directory(), IsEmpty());
  DeliverAllBut("a1");
  AddRank("e1");
  DeliverAll("e1");
  cluster_.Pass(absl::Milliseconds(20));
  DeliverAll("e1");  // its first heartbeat
  EXPECT_EQ(cluster_.Status().phase(), "halt");
  cluster_.DeliverEverything();
  EXPECT_EQ(RanksBy("a0"), "a0* a1* e1");
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  EXPECT_THAT(cluster_.directory(), ElementsAre("a0", "a1"));
  cluster_.CheckSteady();
}

TEST_F(CoordinatorLostRankTest, ALateAnswerToAnOlderHaltCountsForNothing) {
  StartRanks({"c0", "c1", "c2"});
  Die("c0");
  cluster_.HearOfEnds();
  DeliverAllBut("c2");
  AnswerUntil("c2", "prepare");
  const std::size_t old =
      cluster_.SentBy("c1", [](const v1::WorkerMessage& message) { return message.has_halted(); });
  cluster_.DeliverEverything();
  AddRank("c3");
  cluster_.Run(absl::Seconds(1));
  Die("c3");
  cluster_.HearOfEnds();
  DeliverAllBut("c1");
  ASSERT_EQ(cluster_.Status().phase(), "halt");
  cluster_.DeliverAgain(old);
  EXPECT_EQ(cluster_.Status().phase(), "halt");
  cluster_.DeliverEverything();
  cluster_.CheckSteady();
}

}  // namespace
}  // namespace sextant
