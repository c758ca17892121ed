// How many ranks of a role there are to be: by hand, or by a host.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message_of.h"
#include "tests/unit/router/coordinator/coordinator_ranks_fixture.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

class CoordinatorRanksScaleTest : public CoordinatorRanksTest {
 protected:
  absl::StatusOr<v1::ChangeProgress> Scale(v1::Role role, int count) {
    std::uint64_t number = 0;
    return cluster_.coordinator().Scale(role, count, number);
  }
  bool IsDone(v1::Role role) {
    const v1::ClusterStatus status = cluster_.Status();
    for (const v1::ScaleStatus& scale : status.scales()) {
      if (scale.role() == role) return scale.done();
    }
    return false;
  }
};

TEST_F(CoordinatorRanksScaleTest, FewerOfARoleLeave) {
  StartRanks({"c0", "c1", "c2"});
  cluster_.worker("c2").running = 1;
  cluster_.Run(absl::Seconds(1));
  const auto plan = Scale(v1::ROLE_COLOCATED, 2);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->message(), HasSubstr("3 -> 2 colocated workers: c1 will leave; 3 experts"));
  cluster_.Run(absl::Seconds(2));
  EXPECT_TRUE(IsDone(v1::ROLE_COLOCATED));
  EXPECT_EQ(RanksBy("c0"), "c0* c2*");
  EXPECT_EQ(Halts(), 0);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksScaleTest, MoreOfARoleAreWaitedForAndStartedByHand) {
  StartRanks({"c0"});
  const auto plan = Scale(v1::ROLE_COLOCATED, 2);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->message(), HasSubstr("1 will be waited for; 4 experts"));
  cluster_.Run(absl::Seconds(2));
  EXPECT_FALSE(IsDone(v1::ROLE_COLOCATED));
  AddRank("c1");
  cluster_.Run(absl::Seconds(1));
  EXPECT_TRUE(IsDone(v1::ROLE_COLOCATED));
  EXPECT_EQ(cluster_.causes().at("scale"), 1);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksScaleTest, AHostStartsThemAndReplacesTheDead) {
  cluster_.AddHost(0, 0, 0, 1);
  cluster_.Run(absl::Seconds(1));
  const auto plan = Scale(v1::ROLE_COLOCATED, 3);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->message(), HasSubstr("2 will be started by host"));
  cluster_.Run(absl::Seconds(2));
  EXPECT_TRUE(IsDone(v1::ROLE_COLOCATED));
  EXPECT_EQ(cluster_.Status().host().colocated_workers(), 3);
  Die(cluster_.workers().begin()->first);
  cluster_.Run(absl::Seconds(2));
  EXPECT_EQ(cluster_.host().pids.size(), 3U);
  EXPECT_EQ(Halts(), 1);
  ASSERT_TRUE(Scale(v1::ROLE_COLOCATED, 1).ok());
  cluster_.Run(absl::Seconds(2));
  EXPECT_TRUE(IsDone(v1::ROLE_COLOCATED));
  EXPECT_EQ(cluster_.host().pids.size(), 1U);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorRanksScaleTest, ColocatedWorkersAreRefusedWhereOthersAreNoRanks) {
  StartCluster(1);
  const auto refused = Scale(v1::ROLE_COLOCATED, 1);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(refused), HasSubstr("exchange rows by streams"));
}

TEST_F(CoordinatorRanksScaleTest, RanksOnGpusAreScaledByEveryRole) {
  v1::Hello hello = RankHello(v1::ROLE_COLOCATED, "c0");
  hello.clear_numeric_profiles();
  hello.add_numeric_profiles("cuda");
  cluster_.Add(hello);
  cluster_.Run(absl::Seconds(1));
  EXPECT_TRUE(Scale(v1::ROLE_ATTENTION, 1).ok());
  EXPECT_TRUE(Scale(v1::ROLE_EXPERT, 1).ok());
}

}  // namespace
}  // namespace sextant
