#include "router/coordinator/coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/support/message_of.h"
#include "tests/unit/router/coordinator/coordinator_fixture.h"

namespace sextant {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(CoordinatorTest, StartingClusterMakesOneEpoch) {
  StartCluster(3);
  EXPECT_EQ(cluster_.epochs_begun(), 1);
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
  EXPECT_EQ(cluster_.Status().experts_covered(), 8);
  EXPECT_THAT(Placed("e0"), ElementsAre(0, 1, 2));
  EXPECT_THAT(Placed("e2"), ElementsAre(6, 7));
  EXPECT_EQ(State("e0"), "ready");
  cluster_.CheckSteady();
}

TEST_F(CoordinatorTest, FirstEpochWaitsForAQuietMoment) {
  cluster_.AddExpert("e0");
  cluster_.Run(absl::Milliseconds(250));
  cluster_.AddExpert("e1");
  cluster_.Run(absl::Milliseconds(250));
  EXPECT_EQ(cluster_.epochs_begun(), 0);
  cluster_.Run(absl::Milliseconds(150));
  EXPECT_EQ(cluster_.epochs_begun(), 1);
}

TEST_F(CoordinatorTest, FirstEpochWaitsForAnEngineThatIsBeingBuilt) {
  cluster_.AddExpert("e0");
  cluster_.AddExpert("e1").starting = true;
  cluster_.Run(absl::Seconds(2));
  EXPECT_EQ(cluster_.epochs_begun(), 0);
  EXPECT_EQ(State("e1"), "joining");
  cluster_.worker("e1").starting = false;
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.epochs_begun(), 1);
  EXPECT_THAT(Placed("e1"), SizeIs(4));
}

TEST_F(CoordinatorTest, EngineThatTakesLongHoldsUpNobodyForever) {
  cluster_.AddExpert("e0");
  cluster_.AddExpert("e1").starting = true;
  cluster_.Run(absl::Seconds(6));
  EXPECT_EQ(cluster_.epochs_begun(), 1);
  EXPECT_THAT(Placed("e0"), SizeIs(8));
}

TEST_F(CoordinatorTest, BuildingAnEngineIsNoSilence) {
  StartCluster(1);
  cluster_.AddExpert("e1").starting = true;
  cluster_.Run(absl::Seconds(3));
  EXPECT_EQ(State("e1"), "joining");
}

class CoordinatorExpectingThree : public CoordinatorTest {
 protected:
  CoordinatorExpectingThree() : CoordinatorTest({.expected_expert_workers = 3}) {}
};

TEST_F(CoordinatorExpectingThree, FirstEpochWaitsForTheExpectedWorkers) {
  cluster_.AddExpert("e0");
  cluster_.AddExpert("e1");
  cluster_.Run(absl::Seconds(10));
  EXPECT_EQ(cluster_.epochs_begun(), 0);
  cluster_.AddExpert("e2");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
}

TEST_F(CoordinatorExpectingThree, FirstEpochBeginsWithoutThemInTheEnd) {
  cluster_.AddExpert("e0");
  cluster_.Run(absl::Seconds(31));
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
}

TEST_F(CoordinatorTest, AttentionWorkersAloneWait) {
  cluster_.AddAttention("a0");
  cluster_.Run(absl::Seconds(5));
  EXPECT_EQ(cluster_.epochs_begun(), 0);
  EXPECT_EQ(cluster_.Status().phase(), "waiting for workers");
  EXPECT_THAT(cluster_.directory(), IsEmpty());
}

TEST_F(CoordinatorTest, JoiningExpertWorkerTakesItsShareInOneEpoch) {
  StartCluster(2);
  cluster_.AddExpert("e2");
  cluster_.AddExpert("e3");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  EXPECT_THAT(Placed("e3"), SizeIs(2));
  cluster_.CheckSteady();
}

TEST_F(CoordinatorTest, JoiningAttentionWorkerMovesNoExpert) {
  StartCluster(2);
  const auto before = Placed("e0");
  cluster_.AddAttention("a1");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(Placed("e0"), before);
  EXPECT_THAT(cluster_.directory(), ElementsAre("a0", "a1"));
}

TEST_F(CoordinatorTest, BrokenStreamIsADeathAndOrphansMoveAtOnce) {
  StartCluster(3);
  const auto before = Placed("e1");
  cluster_.Kill(cluster_.worker("e0"));
  cluster_.DeliverEverything();  // no time passes
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  EXPECT_EQ(cluster_.Status().phase(), "steady");
  EXPECT_THAT(Placed("e1"), SizeIs(4));
  const auto after = Placed("e1");
  EXPECT_TRUE(std::includes(after.begin(), after.end(), before.begin(), before.end()));
  EXPECT_EQ(State("e0"), "none");
  EXPECT_THAT(Events(), Contains(HasSubstr("e0 is gone")));
  cluster_.CheckSteady();
}

TEST_F(CoordinatorTest, SilenceIsADeathWithinASecond) {
  StartCluster(3);
  cluster_.worker("e0").frozen = true;
  cluster_.Run(absl::Milliseconds(650));
  EXPECT_EQ(State("e0"), "silent");
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
  cluster_.Run(absl::Milliseconds(350));
  EXPECT_EQ(State("e0"), "none");
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  EXPECT_EQ(cluster_.Status().experts_covered(), 8);
}

TEST_F(CoordinatorTest, AWorkerThatIsSlowIsNotDead) {
  StartCluster(3);
  for (int i = 0; i < 20; ++i) {
    cluster_.worker("e0").frozen = true;
    cluster_.Run(absl::Milliseconds(600));
    cluster_.worker("e0").frozen = false;
    cluster_.Run(absl::Milliseconds(50));
  }
  EXPECT_EQ(State("e0"), "ready");
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
}

TEST_F(CoordinatorTest, FrozenWorkerThatWakesJoinsAnew) {
  StartCluster(3);
  cluster_.worker("e0").frozen = true;
  cluster_.Run(absl::Seconds(2));
  cluster_.worker("e0").frozen = false;
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(State("e0"), "ready");
  cluster_.CheckSteady();
}

TEST_F(CoordinatorTest, RouterThatStoodStillBuriesNobody) {
  StartCluster(3);
  cluster_.clock.Advance(absl::Seconds(10));  // no heartbeat was read, no tick came
  cluster_.coordinator().Tick();
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorTest, DeathOfAnAttentionWorkerNeedsNoEpoch) {
  StartCluster(2);
  cluster_.AddAttention("a1");
  cluster_.Run(absl::Seconds(1));
  cluster_.Kill(cluster_.worker("a0"));
  cluster_.Run(absl::Seconds(1));
  EXPECT_THAT(cluster_.directory(), ElementsAre("a1"));
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
}

TEST_F(CoordinatorTest, AttentionWorkersStayReadyWhileOrphansMove) {
  StartCluster(2);
  cluster_.Kill(cluster_.worker("e0"));
  cluster_.HearOfEnds();
  EXPECT_EQ(cluster_.Status().phase(), "prepare");
  EXPECT_THAT(cluster_.directory(), ElementsAre("a0"));
}

TEST_F(CoordinatorTest, OrphansAreMissingUntilTheyHaveMoved) {
  StartCluster(2);
  EXPECT_THAT(cluster_.cover().missing, IsEmpty());
  const auto orphans = Placed("e0");
  cluster_.Kill(cluster_.worker("e0"));
  cluster_.HearOfEnds();
  EXPECT_EQ(cluster_.cover().missing, orphans);
  EXPECT_EQ(cluster_.cover().holders_lost, 1);
  cluster_.DeliverEverything();
  EXPECT_THAT(cluster_.cover().missing, IsEmpty());
}

TEST_F(CoordinatorTest, ADrainedHolderIsNoLoss) {
  StartCluster(2);
  ASSERT_TRUE(cluster_.coordinator().Drain("e0").ok());
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.cover().holders_lost, 0);
  EXPECT_THAT(cluster_.cover().missing, IsEmpty());
}

TEST_F(CoordinatorTest, NobodyIsReadyWithoutAnExpertWorker) {
  StartCluster(1);
  cluster_.Kill(cluster_.worker("e0"));
  cluster_.Run(absl::Seconds(1));
  EXPECT_THAT(cluster_.directory(), IsEmpty());
  EXPECT_THAT(cluster_.cover().missing, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_EQ(cluster_.cover().attention_workers, 1);
  EXPECT_EQ(cluster_.Status().phase(), "waiting for workers");
  EXPECT_EQ(cluster_.Status().experts_covered(), 0);
  cluster_.AddExpert("e1");
  cluster_.Run(absl::Seconds(1));
  EXPECT_THAT(cluster_.directory(), ElementsAre("a0"));
  cluster_.CheckSteady();
}

TEST_F(CoordinatorTest, LeavingExpertWorkerIsDrainedThenToldGoodbye) {
  StartCluster(3);
  cluster_.Leave(cluster_.worker("e1"));
  cluster_.Run(absl::Milliseconds(100));
  EXPECT_TRUE(cluster_.worker("e1").over.has_value());
  EXPECT_TRUE(cluster_.worker("e1").over->ok());
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorTest, LeavingAttentionWorkerFinishesItsSequences) {
  StartCluster(1);
  cluster_.worker("a0").running = 2;
  cluster_.Leave(cluster_.worker("a0"));
  cluster_.Run(absl::Seconds(3));
  EXPECT_EQ(State("a0"), "leaving");
  EXPECT_THAT(cluster_.directory(), IsEmpty());
  cluster_.worker("a0").running = 0;
  cluster_.Run(absl::Seconds(1));
  EXPECT_TRUE(cluster_.worker("a0").over.has_value());
}

TEST_F(CoordinatorTest, ClusterThatLeavesAsAWholeMayGo) {
  StartCluster(3);
  for (const char* id : {"e0", "e1", "e2", "a0"}) cluster_.Leave(cluster_.worker(id));
  cluster_.Run(absl::Seconds(1));
  for (const char* id : {"e0", "e1", "e2", "a0"}) {
    EXPECT_TRUE(cluster_.worker(id).over.has_value()) << id;
  }
}

TEST_F(CoordinatorTest, DrainRefusesTheLastExpertWorker) {
  StartCluster(1);
  EXPECT_EQ(cluster_.coordinator().Drain("e0").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(cluster_.coordinator().Drain("e9").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
}

TEST_F(CoordinatorTest, DrainedWorkerLeaves) {
  StartCluster(2);
  EXPECT_TRUE(cluster_.coordinator().Drain("e0").ok());
  cluster_.Run(absl::Seconds(1));
  EXPECT_TRUE(cluster_.worker("e0").over.has_value());
  cluster_.CheckSteady();
}

TEST_F(CoordinatorTest, FailedPreparationIsTriedAgainUnderANewNumber) {
  StartCluster(2);
  cluster_.AddExpert("e2").fails_to_prepare = true;
  cluster_.Run(absl::Milliseconds(400));
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
  EXPECT_EQ(cluster_.epochs_begun(), 2);
  cluster_.worker("e2").fails_to_prepare = false;
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.Status().epoch(), 3U);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorTest, WorkerThatCannotPrepareIsEndedAndTheOthersGoOn) {
  StartCluster(2);
  cluster_.AddExpert("e2").fails_to_prepare = true;
  cluster_.AddAttention("a1");
  for (int i = 0; i < 40; ++i) cluster_.Run(absl::Milliseconds(50));
  EXPECT_THAT(Events(), Contains(HasSubstr("e2 is gone: could not prepare 3 epochs in a row")));
  cluster_.Kill(cluster_.worker("e2"));
  cluster_.Run(absl::Seconds(2));
  cluster_.CheckSteady();
}

TEST_F(CoordinatorTest, WorkerThatNeverPreparesIsEnded) {
  StartCluster(2);
  cluster_.AddExpert("e2");
  SimulatedWorker& e2 = cluster_.worker("e2");
  // It sends heartbeats, and obeys nothing.
  for (int i = 0; i < 61 * 20; ++i) {
    cluster_.Pass(absl::Milliseconds(50));
    for (const char* id : {"e0", "e1", "a0"}) {
      while (cluster_.DeliverToWorker(cluster_.worker(id)) ||
             cluster_.DeliverToCoordinator(cluster_.worker(id))) {
      }
    }
    if (!e2.welcomed) cluster_.DeliverToWorker(e2);
    while (cluster_.DeliverToCoordinator(e2)) {
    }
  }
  EXPECT_THAT(Events(), Contains(HasSubstr("e2 is gone: did not prepare epoch 2 within 1m")));
}

TEST_F(CoordinatorTest, RestartedRouterLeavesExpertsWhereTheyAre) {
  StartCluster(3);
  cluster_.Kill(cluster_.worker("e0"));
  cluster_.AddExpert("e7");
  cluster_.Run(absl::Seconds(1));
  std::map<std::string, std::vector<int>> before;
  for (const char* id : {"e1", "e2", "e7"}) before[id] = Placed(id);
  const std::uint64_t epoch = cluster_.Status().epoch();
  cluster_.RestartRouter();
  cluster_.Run(absl::Seconds(1));
  for (const char* id : {"e1", "e2", "e7"}) EXPECT_EQ(Placed(id), before[id]) << id;
  EXPECT_EQ(cluster_.Status().epoch(), epoch + 1);
  EXPECT_EQ(cluster_.epochs_begun(), 1);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorTest, RestartedRouterWaitsForAHolderThatIsLate) {
  StartCluster(3);
  const auto before = Placed("e2");
  cluster_.RestartRouter();
  cluster_.worker("e2").frozen = true;
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.epochs_begun(), 0);
  cluster_.worker("e2").frozen = false;
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(Placed("e2"), before);
}

TEST_F(CoordinatorTest, RestartedRouterGoesOnWithoutAHolderThatIsGone) {
  StartCluster(3);
  cluster_.RestartRouter();
  cluster_.Kill(cluster_.worker("e2"));
  cluster_.Run(absl::Seconds(2));
  EXPECT_EQ(cluster_.Status().experts_covered(), 8);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorTest, WorkerThatDoesNotFitIsRefusedWithTheReason) {
  StartCluster(1);
  v1::Hello hello = ExpertHello("wrong");
  hello.mutable_model()->set_fingerprint("beef");
  SimulatedWorker& wrong = cluster_.Add(hello);
  cluster_.Run(absl::Milliseconds(50));
  ASSERT_TRUE(wrong.over.has_value());
  EXPECT_THAT(MessageOf(*wrong.over), HasSubstr("beef"));
  EXPECT_EQ(State("wrong"), "none");
  EXPECT_THAT(Events(), Contains(HasSubstr("refused wrong")));
}

TEST_F(CoordinatorTest, SecondStreamOfAWorkerReplacesTheFirst) {
  StartCluster(2);
  SimulatedWorker& e0 = cluster_.worker("e0");
  const auto before = Placed("e0");
  e0.stream = 0;  // it has noticed that its stream broke before the router did
  e0.welcomed = false;
  e0.committed_on_this_stream = false;
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(State("e0"), "ready");
  cluster_.CheckSteady();
}

TEST_F(CoordinatorTest, FirstMessageMustBeHello) {
  SimulatedWorker& e0 = cluster_.AddExpert("e0");
  e0.outbox.clear();
  v1::WorkerMessage message;
  message.mutable_heartbeat();
  e0.outbox.push_back(message);
  cluster_.DeliverEverything();
  ASSERT_TRUE(e0.over.has_value());
  EXPECT_EQ(e0.over->code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(CoordinatorTest, StreamWithoutHelloIsEnded) {
  SimulatedWorker& e0 = cluster_.AddExpert("e0");
  e0.outbox.clear();
  for (int i = 0; i < 102; ++i) cluster_.Pass(absl::Milliseconds(50));
  ASSERT_TRUE(e0.end.has_value());
  EXPECT_EQ(e0.end->code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(CoordinatorTest, StreamThatDoesNotReadIsEnded) {
  StartCluster(2);
  cluster_.coordinator().Overflowed(cluster_.worker("e0").stream);
  EXPECT_EQ(State("e0"), "none");
  cluster_.Run(absl::Seconds(1));
  cluster_.CheckSteady();
}

TEST_F(CoordinatorTest, WorkersHearThatTheRouterIsAlive) {
  StartCluster(1);
  SimulatedWorker& e0 = cluster_.worker("e0");
  for (int i = 0; i < 20; ++i) {
    cluster_.Pass(absl::Milliseconds(50));
    while (cluster_.DeliverToCoordinator(e0)) {
    }
  }
  int alive = 0;
  for (const v1::CoordinatorMessage& message : e0.inbox) alive += message.has_alive() ? 1 : 0;
  EXPECT_EQ(alive, 5);
}

TEST_F(CoordinatorTest, StatusListsAttentionFirstAndShowsLoad) {
  StartCluster(2);
  cluster_.worker("a0").running = 3;
  cluster_.Run(absl::Milliseconds(300));
  const v1::ClusterStatus status = cluster_.Status();
  ASSERT_EQ(status.workers_size(), 3);
  EXPECT_EQ(status.workers(0).worker_id(), "a0");
  EXPECT_EQ(status.workers(0).running(), 3);
  EXPECT_EQ(status.workers(0).cache_blocks(), 100);
  EXPECT_EQ(status.numeric_profile(), "best");
  EXPECT_EQ(status.model().fingerprint(), "f00d");
}

TEST_F(CoordinatorTest, ChangesGrowWithWhatIsWorthShowing) {
  StartCluster(2);
  const std::uint64_t before = cluster_.coordinator().changes();
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.coordinator().changes(), before);
  cluster_.Kill(cluster_.worker("e0"));
  cluster_.DeliverEverything();
  EXPECT_GT(cluster_.coordinator().changes(), before);
}

TEST_F(CoordinatorTest, OnlyTheNewestEventsAreKept) {
  for (int i = 0; i < 50; ++i) {
    cluster_.AddExpert(absl::StrCat("e", i));
    cluster_.DeliverEverything();
  }
  EXPECT_THAT(Events(), SizeIs(32));
  EXPECT_THAT(Events().back(), HasSubstr("e49 joined"));
}

}  // namespace
}  // namespace sextant
