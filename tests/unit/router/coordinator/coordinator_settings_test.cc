// Settings of placement that change while the cluster runs.
// Of two workers e0 holds the experts 0 to 3, and e1 those from 4 to 7.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/router/coordinator/coordinator_fixture.h"

namespace sextant {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::SizeIs;

class CoordinatorSettingsTest : public CoordinatorTest {
 protected:
  explicit CoordinatorSettingsTest(CoordinatorConfig config = {})
      : CoordinatorTest(std::move(config)) {}

  // Experts that e0 and e1 hold, copies included.
  std::size_t Held() { return Placed("e0").size() + Placed("e1").size(); }

  void ExpectEpoch(std::uint64_t epoch, const std::string& cause) {
    const v1::ClusterStatus status = cluster_.Status();
    EXPECT_EQ(status.epoch(), epoch);
    EXPECT_EQ(status.change().cause(), cause);
    cluster_.CheckSteady();
  }

  std::uint64_t number_ = 0;
};

TEST_F(CoordinatorSettingsTest, CopiesComeAndGoAndNobodyElseMoves) {
  StartCluster(2);
  const auto e0 = Placed("e0");
  const auto e1 = Placed("e1");
  cluster_.SetPlacement({.replicas = 3});
  cluster_.Run(absl::Milliseconds(200));
  ExpectEpoch(2, "settings");
  EXPECT_EQ(Held(), 11U);
  EXPECT_THAT(Placed("e0"), IsSupersetOf(e0));
  EXPECT_THAT(Placed("e1"), IsSupersetOf(e1));
  cluster_.SetPlacement({});
  cluster_.Run(absl::Milliseconds(200));
  ExpectEpoch(3, "settings");
  EXPECT_EQ(Placed("e0"), e0);
  EXPECT_EQ(Placed("e1"), e1);
  EXPECT_THAT(Events(), Contains(HasSubstr("settings: experts with a copy 0 -> 3")));
  EXPECT_THAT(Events(), Contains(HasSubstr("settings: experts with a copy 3 -> 0")));
}

TEST_F(CoordinatorSettingsTest, WhatMovesNothingNeedsNoEpoch) {
  StartCluster(2);
  cluster_.SetPlacement({.auto_rebalance = true, .spare_slots = 2});
  cluster_.Run(absl::Seconds(1));
  ExpectEpoch(1, "start");
  EXPECT_THAT(
      Events(),
      Contains(HasSubstr("settings: rebalancing when asked -> by itself, spare slots 0 -> 2")));
}

TEST_F(CoordinatorSettingsTest, BeforeTheFirstEpochTheyCountForIt) {
  cluster_.SetPlacement({.replicas = 8});
  StartCluster(2);
  ExpectEpoch(1, "start");
  EXPECT_EQ(Held(), 16U);
}

TEST_F(CoordinatorSettingsTest, ASecondChangeMeanwhileComesAfterTheFirst) {
  StartCluster(2);
  cluster_.SetPlacement({.replicas = 3});  // its epoch is prepared now
  cluster_.SetPlacement({.replicas = 5});
  cluster_.SetPlacement({.replicas = 2});
  cluster_.Run(absl::Seconds(1));
  ExpectEpoch(3, "settings");
  EXPECT_EQ(Held(), 10U);
}

TEST_F(CoordinatorSettingsTest, OneThatIsTakenBackMeanwhileLeavesNothingBehind) {
  StartCluster(2);
  cluster_.SetPlacement({.replicas = 3});
  cluster_.SetPlacement({});
  cluster_.Run(absl::Seconds(1));
  ExpectEpoch(3, "settings");
  EXPECT_EQ(Held(), 8U);
}

TEST_F(CoordinatorSettingsTest, WhatCouldNotBePreparedIsTriedAgain) {
  StartCluster(2);
  cluster_.worker("e1").fails_to_prepare = true;
  cluster_.SetPlacement({.replicas = 3});
  cluster_.Run(absl::Milliseconds(100));
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
  EXPECT_THAT(Events(), Contains(HasSubstr("epoch 2: given up in prepare")));
  cluster_.worker("e1").fails_to_prepare = false;
  cluster_.Run(absl::Seconds(1));
  ExpectEpoch(3, "settings");
  EXPECT_EQ(Held(), 11U);
}

TEST_F(CoordinatorSettingsTest, ADeathMeanwhileTakesThemAlong) {
  StartCluster(3);
  cluster_.SetPlacement({.replicas = 3});
  cluster_.Kill(cluster_.worker("e2"));
  cluster_.Run(absl::Seconds(2));
  EXPECT_EQ(Held(), 11U);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorSettingsTest, RebalancingByItselfIsSwitchedOnAndOff) {
  StartCluster(2);
  Load({{0, 10}, {1, 10}}, absl::Minutes(5));
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
  cluster_.SetPlacement({.auto_rebalance = true});
  Load({{0, 10}, {1, 10}}, absl::Seconds(20));
  EXPECT_EQ(cluster_.Status().epoch(), 1U);  // unevenness counts from then on
  Load({{0, 10}, {1, 10}}, absl::Seconds(20));
  ExpectEpoch(2, "rebalance");
  cluster_.SetPlacement({});
  Load({{2, 10}, {3, 10}}, absl::Minutes(5));
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
}

class CoordinatorSpareSlotsTest : public CoordinatorSettingsTest {
 protected:
  CoordinatorSpareSlotsTest() : CoordinatorSettingsTest({.placement = {.spare_slots = 2}}) {}

  // All load is with the experts of e0, so two of them go to e1.
  void StartUneven() {
    StartCluster(2);
    Load({{0, 10}, {1, 10}, {2, 10}, {3, 10}}, absl::Seconds(10));
    ASSERT_TRUE(cluster_.coordinator().Rebalance(number_).ok());
    cluster_.Run(absl::Milliseconds(200));
    ASSERT_EQ(cluster_.Status().epoch(), 2U);
    ASSERT_THAT(Placed("e1"), SizeIs(6));
  }
};

TEST_F(CoordinatorSpareSlotsTest, WithoutThemNumbersBecomeEvenAgain) {
  StartUneven();
  cluster_.SetPlacement({});
  cluster_.Run(absl::Milliseconds(200));
  ExpectEpoch(3, "settings");
  EXPECT_THAT(Placed("e0"), SizeIs(4));
  EXPECT_THAT(Placed("e1"), SizeIs(4));
}

TEST_F(CoordinatorSpareSlotsTest, WithEnoughOfThemARebalancedPlacementStays) {
  StartUneven();
  const auto e0 = Placed("e0");
  const auto e1 = Placed("e1");
  cluster_.SetPlacement({.spare_slots = 3});
  cluster_.Run(absl::Milliseconds(200));
  ExpectEpoch(2, "rebalance");
  cluster_.SetPlacement({.spare_slots = 3, .replicas = 1});
  cluster_.Run(absl::Milliseconds(200));
  ExpectEpoch(3, "settings");
  EXPECT_EQ(Held(), 9U);
  EXPECT_THAT(Placed("e0"), IsSupersetOf(e0));
  EXPECT_THAT(Placed("e1"), IsSupersetOf(e1));
}

}  // namespace
}  // namespace sextant
