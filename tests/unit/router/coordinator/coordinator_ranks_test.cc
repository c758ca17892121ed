// Epochs of ranks: who is in them, how one comes and goes, what a new router makes of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/errors/error_details.h"
#include "tests/support/message_of.h"
#include "tests/unit/router/coordinator/coordinator_ranks_fixture.h"

namespace sextant {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(CoordinatorRanksTest, AnEpochNamesAllOfThemInOrderAndWhatTheyDo) {
  StartRanks({"e0", "c0", "a0"});
  EXPECT_EQ(RanksBy("e0"), "a0* c0* e0");
  EXPECT_EQ(RanksBy("a0"), "a0* c0* e0");
  EXPECT_THAT(cluster_.worker("a0").committed.expert_workers(), IsEmpty());
  EXPECT_THAT(Placed("a0"), IsEmpty());
  EXPECT_THAT(Placed("c0"), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Placed("e0"), ElementsAre(4, 5, 6, 7));
  for (const char* id : {"a0", "c0", "e0"}) EXPECT_EQ(Entered(id), 1U) << id;
  EXPECT_THAT(cluster_.directory(), ElementsAre("a0", "c0"));
  EXPECT_EQ(cluster_.cover().attention_workers, 2);
  EXPECT_TRUE(cluster_.Status().ranks());
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksTest, AColocatedOneIsACluster) {
  StartRanks({"c0"});
  EXPECT_EQ(RanksBy("c0"), "c0*");
  EXPECT_THAT(Placed("c0"), SizeIs(8));
  EXPECT_THAT(cluster_.directory(), ElementsAre("c0"));
  EXPECT_TRUE(cluster_.coordinator().Drain("c0").ok());  // nobody else needs it
  cluster_.Run(absl::Seconds(2));
  EXPECT_TRUE(cluster_.worker("c0").over.has_value());
}

TEST_F(CoordinatorRanksTest, TheFirstEpochWaitsForOneThatAttends) {
  for (const char* id : {"e0", "e1"}) AddRank(id);
  cluster_.Run(absl::Seconds(10));
  EXPECT_EQ(cluster_.epochs_begun(), 0);
  EXPECT_EQ(cluster_.Status().phase(), "waiting for workers");
  AddRank("a0");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(RanksBy("e1"), "a0* e0 e1");
  EXPECT_EQ(Halts(), 0);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksTest, AttentionAloneWaitsForExperts) {
  AddRank("a0");
  cluster_.Run(absl::Seconds(5));
  EXPECT_EQ(cluster_.epochs_begun(), 0);
  EXPECT_THAT(cluster_.directory(), IsEmpty());
}

TEST_F(CoordinatorRanksTest, OneWithoutARoleTakesPartAndIsNoRank) {
  cluster_.num_experts = 2;
  StartRanks({"a0", "e0", "e1", "e2"});
  EXPECT_EQ(RanksBy("e2"), "a0* e0 e1");
  EXPECT_EQ(cluster_.worker("e2").committed.epoch(), 1U);
  EXPECT_EQ(Entered("e2"), 0U);
  EXPECT_EQ(State("e2"), "ready");
  // Its death concerns nobody; that of a holder makes it a rank.
  Die("e2");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
  AddRank("e3");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(Halts(), 0);
  Die("e0");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(RanksBy("e3"), "a0* e1 e3");
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksTest, NewcomersOfEverySortJoinByAnEpoch) {
  StartRanks({"a0", "e0"});
  AddRank("a1");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(RanksBy("a0"), "a0* a1* e0");
  EXPECT_THAT(cluster_.directory(), ElementsAre("a0", "a1"));
  AddRank("e1");
  AddRank("c0");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(RanksBy("a0"), "a0* a1* c0* e0 e1");
  EXPECT_EQ(cluster_.Status().epoch(), 3U);
  EXPECT_EQ(cluster_.causes().at("join"), 2);
  EXPECT_EQ(Halts(), 0);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksTest, OneThatLeavesIsLetGoAfterAnEpochWithoutIt) {
  StartRanks({"a0", "a1", "e0"});
  cluster_.Leave(cluster_.worker("a0"));
  cluster_.Run(absl::Seconds(2));
  ASSERT_TRUE(cluster_.worker("a0").over.has_value());
  EXPECT_EQ(RanksBy("a1"), "a1* e0");
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  EXPECT_EQ(cluster_.causes().at("leave"), 1);
  EXPECT_EQ(Halts(), 0);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksTest, OneThatLeavesIsARankWhileItHasSequences) {
  StartRanks({"a0", "a1", "e0"});
  cluster_.worker("a0").running = 1;
  cluster_.Leave(cluster_.worker("a0"));
  cluster_.Run(absl::Seconds(2));
  EXPECT_EQ(State("a0"), "leaving");
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
  // Also in an epoch that begins meanwhile.
  AddRank("e1");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(RanksBy("a0"), "a0* a1* e0 e1");
  EXPECT_THAT(cluster_.directory(), ElementsAre("a1"));
  cluster_.worker("a0").running = 0;
  cluster_.Run(absl::Seconds(1));
  EXPECT_TRUE(cluster_.worker("a0").over.has_value());
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksTest, AColocatedOneThatLeavesGivesUpItsExpertsFirst) {
  StartRanks({"c0", "c1"});
  cluster_.worker("c0").running = 1;
  cluster_.Leave(cluster_.worker("c0"));
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(RanksBy("c1"), "c0* c1*");
  EXPECT_THAT(Placed("c0"), IsEmpty());
  EXPECT_THAT(Placed("c1"), SizeIs(8));
  EXPECT_FALSE(cluster_.worker("c0").over.has_value());
  cluster_.worker("c0").running = 0;
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(RanksBy("c1"), "c1*");
  EXPECT_TRUE(cluster_.worker("c0").over.has_value());
  EXPECT_EQ(Halts(), 0);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksTest, WhenTheLastThatAttendsHasGoneTheOthersAreHaltedAndWait) {
  StartRanks({"a0", "e0", "e1"});
  cluster_.Leave(cluster_.worker("a0"));
  cluster_.Run(absl::Seconds(2));
  EXPECT_TRUE(cluster_.worker("a0").over.has_value());
  EXPECT_EQ(cluster_.Status().phase(), "waiting for workers");
  EXPECT_EQ(cluster_.epochs_begun(), 1);
  EXPECT_EQ(Halts(), 1);
  EXPECT_EQ(Entered("e0"), 0U);
  const auto before = Placed("e0");
  AddRank("a1");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(RanksBy("e0"), "a1* e0 e1");
  EXPECT_EQ(Placed("e0"), before);
  EXPECT_EQ(Halts(), 1);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksTest, AClusterThatLeavesAsAWholeMayGo) {
  StartRanks({"a0", "c0", "e0", "e1"});
  for (const char* id : {"a0", "c0", "e0", "e1"}) cluster_.Leave(cluster_.worker(id));
  cluster_.Run(absl::Seconds(3));
  for (const char* id : {"a0", "c0", "e0", "e1"}) {
    EXPECT_TRUE(cluster_.worker(id).over.has_value()) << id;
  }
}

TEST_F(CoordinatorRanksTest, DrainRefusesTheLastThatHoldsExperts) {
  StartRanks({"a0", "c0"});
  const absl::Status refused = cluster_.coordinator().Drain("c0");
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(MessageOf(refused),
            "c0 is the only rank that holds experts; add another one before draining it");
}

TEST_F(CoordinatorRanksTest, ANewRouterKeepsAnEpochWhoseRanksComeBack) {
  StartRanks({"a0", "e0", "e1"});
  const auto before = Placed("e0");
  cluster_.RestartRouter();
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(Halts(), 0);
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  EXPECT_EQ(Placed("e0"), before);
  EXPECT_EQ(Entered("a0"), 2U);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksTest, ADeathDuringTheFirstChangeOfANewRouterBreaksTheEpochThatWasKept) {
  StartRanks({"a0", "e0", "e1"});
  cluster_.RestartRouter();
  for (auto& [id, worker] : cluster_.workers()) cluster_.Dial(worker);
  RunUntil("prepare");
  Die("e1");
  cluster_.HearOfEnds();
  EXPECT_EQ(cluster_.Status().phase(), "halt");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(RanksBy("a0"), "a0* e0");
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksTest, ANewRouterHaltsWhereARankDoesNotComeBack) {
  for (const char* missing : {"a1", "e1"}) {
    SCOPED_TRACE(missing);
    SimulatedCluster cluster({});
    for (const char* id : {"a0", "a1"}) cluster.AddRank(v1::ROLE_ATTENTION, id);
    for (const char* id : {"e0", "e1"}) cluster.AddRank(v1::ROLE_EXPERT, id);
    cluster.Run(absl::Seconds(1));
    cluster.Kill(cluster.worker(missing));
    cluster.RestartRouter();
    cluster.Run(absl::Seconds(1));
    EXPECT_EQ(cluster.epochs_begun(), 0);  // it may come back yet
    cluster.Run(absl::Seconds(1));
    EXPECT_EQ(cluster.phases().at("halt"), 1);
    EXPECT_EQ(cluster.Status().phase(), "steady");
    cluster.CheckSteady();
    EXPECT_THAT(cluster.violations(), IsEmpty());
  }
}

TEST_F(CoordinatorRanksTest, ANewRouterHaltsWhereALaterEpochWasBegun) {
  StartRanks({"a0", "e0"});
  AddRank("e1");
  RunUntil("prepare");
  DeliverAll("e0");  // has heard of epoch 2, which others may have entered
  cluster_.RestartRouter();
  cluster_.Run(absl::Seconds(2));
  EXPECT_EQ(Halts(), 1);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksTest, ANewRouterHaltsThoseThatHaveHeardOfAFirstEpoch) {
  for (const char* id : {"a0", "e0"}) AddRank(id);
  RunUntil("prepare");
  DeliverAll("a0");
  cluster_.RestartRouter();
  cluster_.Run(absl::Seconds(2));
  EXPECT_EQ(Halts(), 1);
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksTest, AnotherEpochOfTheSameNumberIsNotTheOneThatIsKept) {
  StartRanks({"c0", "c1"});
  // Of a time of which nobody else knows.
  SimulatedWorker& old = AddRank("e0");
  v1::Placement& holding = *old.outbox.front().mutable_hello()->mutable_holding();
  holding.set_epoch(1);
  holding.add_ranks()->set_worker_id("a9");
  old.outbox.front().mutable_hello()->set_newest_epoch(1);
  const v1::WorkerMessage hello = old.outbox.front();
  cluster_.RestartRouter();
  for (auto& [id, worker] : cluster_.workers()) cluster_.Dial(worker);
  old.outbox.front() = hello;
  RunUntil("prepare");
  EXPECT_EQ(Halts(), 0);
  EXPECT_EQ(cluster_.Status().change().participants(), 2);  // e0 is halted meanwhile
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(old.rank.halted_before, 2U);
  EXPECT_EQ(RanksBy("c0"), "c0* c1* e0");
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksTest, ANewRouterHaltsThoseForWhomNoEpochCanFollow) {
  StartRanks({"a0", "e0"});
  Die("e0");
  cluster_.RestartRouter();
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(Entered("a0"), 1U);  // e0 may come back yet
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(Entered("a0"), 0U);
  EXPECT_EQ(cluster_.Status().phase(), "waiting for workers");
  AddRank("e1");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(RanksBy("a0"), "a0* e1");
  EXPECT_EQ(Halts(), 1);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksTest, OneThatComesBackLateIsHaltedAlone) {
  StartRanks({"a0", "a1", "e0"});
  cluster_.worker("a1").frozen = true;
  cluster_.Run(absl::Seconds(2));
  EXPECT_EQ(RanksBy("a0"), "a0* e0");
  EXPECT_EQ(Halts(), 1);
  EXPECT_EQ(Entered("a1"), 1U);
  cluster_.worker("a1").frozen = false;
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(RanksBy("a0"), "a0* a1* e0");
  EXPECT_EQ(Halts(), 1);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksTest, RanksAndOthersDoNotMixButWholeWorkersAreFree) {
  StartRanks({"c0"});
  cluster_.AddExpert("e0");
  cluster_.AddWhole("w0");
  cluster_.Run(absl::Seconds(1));
  ASSERT_TRUE(cluster_.worker("e0").over.has_value());
  EXPECT_EQ(Reason(*cluster_.worker("e0").over), "EXCHANGE_MISMATCH");
  EXPECT_THAT(Events(), Contains(HasSubstr(
                            "the exchange of rows of this worker is streams, that of the cluster "
                            "is ranks")));
  EXPECT_THAT(cluster_.directory(), ElementsAre("c0", "w0"));
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
}

TEST_F(CoordinatorRanksTest, ExpertsGetCopiesAsSettingsSay) {
  StartRanks({"c0", "c1", "e0"});
  cluster_.SetPlacement({.replicas = 4});
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  EXPECT_EQ(cluster_.causes().at("settings"), 1);
  EXPECT_EQ(Placed("c0").size() + Placed("c1").size() + Placed("e0").size(), 12U);
  EXPECT_EQ(Halts(), 0);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksTest, WithoutLoadThereIsNothingToRebalanceBy) {
  StartRanks({"c0", "c1"});
  std::uint64_t number = 0;
  const auto refused = cluster_.coordinator().Rebalance(number);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(refused), HasSubstr("no load"));
}

}  // namespace
}  // namespace sextant
