// What the coordinator does by observed load: rebalancing, asked for and by itself, and copies.
// Of two workers e0 holds the experts 0 to 3, and e1 those from 4 to 7.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/message_of.h"
#include "tests/unit/router/coordinator/coordinator_fixture.h"

namespace sextant {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class CoordinatorLoadTest : public CoordinatorTest {
 protected:
  explicit CoordinatorLoadTest(CoordinatorConfig config = {})
      : CoordinatorTest(std::move(config)) {}
  std::uint64_t number_ = 0;
};

TEST_F(CoordinatorLoadTest, LoadIsSeenAsRowsPerSecond) {
  StartCluster(2);
  Load({{2, 10}, {5, 30}}, absl::Seconds(5));
  EXPECT_NEAR(cluster_.Status().expert_load(5), 600, 60);  // soon
  Load({{2, 10}, {5, 30}}, absl::Minutes(5));
  const v1::ClusterStatus status = cluster_.Status();
  ASSERT_THAT(status.expert_load(), SizeIs(8));
  EXPECT_NEAR(status.expert_load(2), 200, 5);
  EXPECT_NEAR(status.expert_load(5), 600, 15);
  EXPECT_EQ(status.expert_load(0), 0);
  cluster_.Run(absl::Seconds(30));  // half of it is forgotten
  EXPECT_NEAR(cluster_.Status().expert_load(5), 300, 20);
}

TEST_F(CoordinatorLoadTest, LoadOfAnExpertThatIsNoneEndsTheStream) {
  StartCluster(2);
  cluster_.worker("e0").load[8] = 1;
  cluster_.Run(absl::Milliseconds(300));
  const v1::ClusterStatus status = cluster_.Status();
  EXPECT_THAT(status.events(), Contains(HasSubstr("e0 is gone: load of an expert that is none")));
}

TEST_F(CoordinatorLoadTest, RebalancingPartsHotExpertsInOneEpoch) {
  StartCluster(2);
  Load({{0, 10}, {1, 10}, {4, 1}, {5, 1}}, absl::Seconds(10));
  EXPECT_EQ(cluster_.Status().epoch(), 1U);  // not by itself
  const auto dry = cluster_.coordinator().PlanRebalance();
  ASSERT_TRUE(dry.ok()) << dry.status();
  EXPECT_EQ(dry->experts_moved(), 2);
  const auto plan = cluster_.coordinator().Rebalance(number_);
  ASSERT_TRUE(plan.ok()) << plan.status();
  cluster_.Run(absl::Milliseconds(100));
  const v1::ClusterStatus status = cluster_.Status();
  EXPECT_EQ(status.epoch(), 2U);
  EXPECT_EQ(status.change().cause(), "rebalance");
  EXPECT_TRUE(status.rebalance().done());
  EXPECT_EQ(status.rebalance().experts_moved(), 2);
  EXPECT_GT(status.rebalance().imbalance_before(), 1.8);
  EXPECT_LT(status.rebalance().imbalance_after(), 1.1);
  const auto e0 = Placed("e0");
  EXPECT_NE(std::count(e0.begin(), e0.end(), 0), std::count(e0.begin(), e0.end(), 1));
  cluster_.CheckSteady();
}

TEST_F(CoordinatorLoadTest, EvenLoadNeedsNoEpoch) {
  StartCluster(2);
  Load({{0, 5}, {4, 5}}, absl::Seconds(2));
  ASSERT_TRUE(cluster_.coordinator().Rebalance(number_).ok());
  EXPECT_TRUE(cluster_.Status().rebalance().done());
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
}

TEST_F(CoordinatorLoadTest, WithoutLoadOrEpochItIsRefused) {
  EXPECT_EQ(cluster_.coordinator().Rebalance(number_).status().code(),
            absl::StatusCode::kFailedPrecondition);
  StartCluster(2);
  EXPECT_THAT(MessageOf(cluster_.coordinator().PlanRebalance()),
              HasSubstr("no load has been observed yet"));
}

TEST_F(CoordinatorLoadTest, ADeathMeanwhileDoesNotLoseIt) {
  StartCluster(2);
  cluster_.AddExpert("e2");
  cluster_.Run(absl::Seconds(1));
  Load({{0, 10}, {1, 10}}, absl::Seconds(5));
  ASSERT_TRUE(cluster_.coordinator().Rebalance(number_).ok());
  cluster_.Kill(cluster_.worker("e1"));
  cluster_.Run(absl::Seconds(1));
  EXPECT_TRUE(cluster_.Status().rebalance().done());
  cluster_.CheckSteady();
}

class CoordinatorAutoTest : public CoordinatorLoadTest {
 protected:
  CoordinatorAutoTest() : CoordinatorLoadTest({.placement = {.auto_rebalance = true}}) {}
};

TEST_F(CoordinatorAutoTest, LastingUnevenLoadIsEvenedOutOnce) {
  StartCluster(2);
  const std::map<int, std::int64_t> uneven = {{0, 10}, {1, 10}, {4, 1}, {5, 1}};
  Load(uneven, absl::Seconds(100));
  EXPECT_EQ(cluster_.Status().epoch(), 1U);  // too soon after the first epoch
  Load(uneven, absl::Seconds(60));
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  EXPECT_EQ(cluster_.Status().change().cause(), "rebalance");
  Load(uneven, absl::Minutes(5));
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
}

TEST_F(CoordinatorAutoTest, ABurstIsNoReason) {
  StartCluster(2);
  for (int i = 0; i < 5; ++i) {
    Load({{0, 100}, {1, 100}}, absl::Seconds(10));
    Load({{0, 100}, {1, 100}, {4, 400}, {5, 400}}, absl::Seconds(20));
    Load({{0, 100}, {1, 100}, {4, 100}, {5, 100}}, absl::Seconds(60));
  }
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
}

TEST_F(CoordinatorAutoTest, OneHotExpertIsNoReason) {
  StartCluster(2);
  Load({{0, 100}, {4, 1}}, absl::Minutes(5));
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
}

TEST_F(CoordinatorAutoTest, LittleLoadIsNoReason) {
  StartCluster(2);
  Load({{0, 1}, {1, 1}}, absl::Minutes(5));
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
}

class CoordinatorReplicaTest : public CoordinatorLoadTest {
 protected:
  CoordinatorReplicaTest() : CoordinatorLoadTest({.placement = {.replicas = 2}}) {}
};

TEST_F(CoordinatorReplicaTest, HotExpertsGetASecondHolder) {
  StartCluster(2);
  EXPECT_EQ(Placed("e0").size() + Placed("e1").size(), 10U);
  Load({{6, 10}, {7, 10}}, absl::Seconds(5));
  ASSERT_TRUE(cluster_.coordinator().Rebalance(number_).ok());
  cluster_.Run(absl::Milliseconds(200));
  for (const int hot : {6, 7}) {
    EXPECT_THAT(Placed("e0"), Contains(hot));
    EXPECT_THAT(Placed("e1"), Contains(hot));
  }
  cluster_.CheckSteady();
}

TEST_F(CoordinatorReplicaTest, ACopyTakesThePlaceOfADeadHolderAndNobodyElseMoves) {
  StartCluster(2);
  cluster_.AddExpert("e2");
  cluster_.Run(absl::Seconds(1));
  cluster_.Kill(cluster_.worker("e0"));
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.Status().experts_covered(), 8);
  EXPECT_EQ(Placed("e1").size() + Placed("e2").size(), 10U);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorReplicaTest, CopiesSurviveARestartOfTheRouter) {
  StartCluster(2);
  const auto e0 = Placed("e0");
  const auto e1 = Placed("e1");
  cluster_.RestartRouter();
  cluster_.Run(absl::Seconds(2));
  EXPECT_EQ(Placed("e0"), e0);
  EXPECT_EQ(Placed("e1"), e1);
  cluster_.CheckSteady();
}

}  // namespace
}  // namespace sextant
