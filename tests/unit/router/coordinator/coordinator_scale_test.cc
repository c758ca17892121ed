// Scaling: goals, and the host that starts and stops processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/support/message_of.h"
#include "tests/unit/router/coordinator/coordinator_fixture.h"

namespace sextant {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class CoordinatorScaleTest : public CoordinatorTest {
 protected:
  CoordinatorScaleTest() : CoordinatorTest({.expert_bytes = 1000}) {}

  // One attention worker and so many expert workers, run by a host.
  void StartHost(int experts) {
    cluster_.AddHost(1, experts);
    cluster_.Run(absl::Seconds(1));
    ASSERT_EQ(cluster_.Status().phase(), "steady");
    ASSERT_EQ(Ready(v1::ROLE_EXPERT), experts);
  }

  v1::ChangeProgress Scale(v1::Role role, int count) {
    const auto plan = cluster_.coordinator().Scale(role, count, number_);
    EXPECT_TRUE(plan.ok()) << plan.status();
    return plan.value_or(v1::ChangeProgress());
  }

  int Ready(v1::Role role) {
    const v1::ClusterStatus status = cluster_.Status();
    return static_cast<int>(std::count_if(
        status.workers().begin(), status.workers().end(),
        [&](const auto& worker) { return worker.role() == role && worker.state() == "ready"; }));
  }
  // Of the goal of the expert workers.
  v1::ScaleStatus Goal() {
    const v1::ClusterStatus status = cluster_.Status();
    for (const v1::ScaleStatus& scale : status.scales()) {
      if (scale.role() == v1::ROLE_EXPERT) return scale;
    }
    return {};
  }
  SimulatedWorker& AnyExpert() {
    for (auto& [id, worker] : cluster_.workers()) {
      if (worker.is_expert()) return worker;
    }
    return cluster_.worker("none");
  }

  std::uint64_t number_ = 0;
};

TEST_F(CoordinatorScaleTest, MoreWorkersAreStartedByTheHostAndComeInOneEpoch) {
  StartHost(2);
  const v1::ChangeProgress plan = Scale(v1::ROLE_EXPERT, 4);
  EXPECT_EQ(plan.experts_moved(), 4);
  EXPECT_EQ(plan.bytes_moved(), 4000);
  EXPECT_THAT(plan.message(), HasSubstr("2 -> 4 expert workers: 2 will be started by host"));
  EXPECT_FALSE(Goal().done());
  cluster_.Run(absl::Seconds(2));
  EXPECT_TRUE(Goal().done());
  EXPECT_EQ(Goal().experts_moved(), 4);
  EXPECT_EQ(Ready(v1::ROLE_EXPERT), 4);
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  EXPECT_EQ(cluster_.Status().change().cause(), "scale");
  EXPECT_EQ(cluster_.Status().change().phase(), "done");
  cluster_.CheckSteady();
}

TEST_F(CoordinatorScaleTest, WorkersThatComeOneByOneAreWaitedFor) {
  StartHost(1);
  Scale(v1::ROLE_EXPERT, 4);
  cluster_.RunHost();
  for (auto& [id, worker] : cluster_.workers()) worker.starting = !worker.welcomed;
  for (int i = 0; i < 3; ++i) {
    cluster_.Run(absl::Seconds(1));
    EXPECT_EQ(cluster_.Status().epoch(), 1U);
    for (auto& [id, worker] : cluster_.workers()) {
      if (!std::exchange(worker.starting, false)) continue;
      break;
    }
  }
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  EXPECT_TRUE(Goal().done());
}

TEST_F(CoordinatorScaleTest, FewerWorkersAreDrainedAndNotStartedAgain) {
  StartHost(4);
  const v1::ChangeProgress plan = Scale(v1::ROLE_EXPERT, 1);
  EXPECT_EQ(plan.experts_moved(), 6);
  EXPECT_THAT(plan.message(), HasSubstr("will leave; 6 experts"));
  cluster_.Run(absl::Seconds(2));
  EXPECT_TRUE(Goal().done());
  EXPECT_EQ(Goal().experts_moved(), 6);
  EXPECT_EQ(Ready(v1::ROLE_EXPERT), 1);
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  EXPECT_EQ(cluster_.Status().host().expert_workers(), 1);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorScaleTest, AttentionWorkersScaleToo) {
  StartHost(2);
  Scale(v1::ROLE_ATTENTION, 3);
  cluster_.Run(absl::Seconds(2));
  EXPECT_EQ(Ready(v1::ROLE_ATTENTION), 3);
  Scale(v1::ROLE_ATTENTION, 1);
  cluster_.Run(absl::Seconds(2));
  EXPECT_EQ(Ready(v1::ROLE_ATTENTION), 1);
  EXPECT_EQ(cluster_.Status().host().attention_workers(), 1);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorScaleTest, TheWorkerThatComputesLeastLeaves) {
  StartHost(1);
  Scale(v1::ROLE_ATTENTION, 3);
  cluster_.Run(absl::Seconds(2));
  std::string idle;
  for (auto& [id, worker] : cluster_.workers()) {
    if (worker.is_expert()) continue;
    worker.running = idle.empty() ? 0 : 2;
    if (idle.empty()) idle = id;
  }
  cluster_.Run(absl::Seconds(1));
  const auto plan = cluster_.coordinator().PlanScale(v1::ROLE_ATTENTION, 2);
  ASSERT_TRUE(plan.ok());
  EXPECT_THAT(plan->message(), HasSubstr(absl::StrCat(": ", idle, " will leave")));
}

TEST_F(CoordinatorScaleTest, DryRunChangesNothing) {
  StartHost(2);
  ASSERT_TRUE(cluster_.coordinator().PlanScale(v1::ROLE_EXPERT, 8).ok());
  cluster_.Run(absl::Seconds(2));
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
  EXPECT_EQ(cluster_.Status().scales_size(), 0);
}

TEST_F(CoordinatorScaleTest, CountsAndRolesThatCannotBeAreRefused) {
  StartHost(1);
  for (const int count : {0, -1, 65}) {
    const auto plan = cluster_.coordinator().PlanScale(v1::ROLE_EXPERT, count);
    EXPECT_THAT(MessageOf(plan), HasSubstr("count: must be from 1 to 64"));
  }
  const auto plan = cluster_.coordinator().Scale(v1::ROLE_UNSPECIFIED, 2, number_);
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(CoordinatorScaleTest, WhatIsSoAlreadyIsDoneAtOnce) {
  StartHost(3);
  Scale(v1::ROLE_EXPERT, 3);
  EXPECT_TRUE(Goal().done());
  EXPECT_EQ(Goal().experts_moved(), 0);
}

TEST_F(CoordinatorScaleTest, ALaterGoalTakesThePlaceOfAnEarlierOne) {
  StartHost(1);
  Scale(v1::ROLE_EXPERT, 8);
  const std::uint64_t first = number_;
  cluster_.Run(absl::Milliseconds(100));
  Scale(v1::ROLE_EXPERT, 3);
  cluster_.Run(absl::Milliseconds(50));
  Scale(v1::ROLE_EXPERT, 4);
  EXPECT_GT(number_, first);
  cluster_.Run(absl::Seconds(8));
  EXPECT_TRUE(Goal().done());
  EXPECT_EQ(Ready(v1::ROLE_EXPERT), 4);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorScaleTest, ADeathMeanwhileIsMadeGood) {
  StartHost(2);
  Scale(v1::ROLE_EXPERT, 4);
  cluster_.Kill(AnyExpert());
  cluster_.Run(absl::Seconds(4));
  EXPECT_TRUE(Goal().done());
  EXPECT_EQ(Ready(v1::ROLE_EXPERT), 4);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorScaleTest, AFrozenWorkerThatWakesAfterScalingDownIsNotOneTooMany) {
  StartHost(4);
  AnyExpert().frozen = true;
  cluster_.Run(absl::Seconds(2));
  ASSERT_EQ(Ready(v1::ROLE_EXPERT), 3);
  Scale(v1::ROLE_EXPERT, 2);
  cluster_.Run(absl::Seconds(4));
  EXPECT_EQ(Ready(v1::ROLE_EXPERT), 2);
  EXPECT_TRUE(Goal().done());
  cluster_.CheckSteady();
}

TEST_F(CoordinatorScaleTest, WithoutAHostItIsSaidAndWorkersAreWaitedFor) {
  StartCluster(1);
  EXPECT_THAT(Scale(v1::ROLE_EXPERT, 2).message(), HasSubstr("1 will be waited for"));
  cluster_.Run(absl::Seconds(3));
  EXPECT_FALSE(Goal().done());
  EXPECT_FALSE(cluster_.Status().has_host());
  cluster_.AddExpert("e1");
  cluster_.Run(absl::Seconds(1));
  EXPECT_TRUE(Goal().done());
}

TEST_F(CoordinatorScaleTest, WithoutAHostTooManyAreDrained) {
  StartCluster(4);
  Scale(v1::ROLE_EXPERT, 2);
  cluster_.Run(absl::Seconds(1));
  EXPECT_TRUE(Goal().done());
  EXPECT_EQ(Ready(v1::ROLE_EXPERT), 2);
  // Afterwards whoever comes is welcome.
  cluster_.AddExpert("e9");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(Ready(v1::ROLE_EXPERT), 3);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorScaleTest, WorkersOfOthersCountToo) {
  StartHost(2);
  cluster_.AddExpert("e0");
  cluster_.Run(absl::Seconds(1));
  ASSERT_EQ(Ready(v1::ROLE_EXPERT), 3);
  Scale(v1::ROLE_EXPERT, 5);
  cluster_.Run(absl::Seconds(2));
  EXPECT_EQ(Ready(v1::ROLE_EXPERT), 5);
  EXPECT_EQ(cluster_.Status().host().expert_workers(), 4);
  // If one of them dies, the host runs one more.
  cluster_.Kill(cluster_.workers().at("e0"));
  cluster_.Run(absl::Seconds(2));
  EXPECT_EQ(Ready(v1::ROLE_EXPERT), 5);
  EXPECT_EQ(cluster_.Status().host().expert_workers(), 5);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorScaleTest, ADrainedWorkerIsNotStartedAgain) {
  StartHost(3);
  ASSERT_TRUE(cluster_.coordinator().Drain(AnyExpert().hello.worker_id()).ok());
  cluster_.Run(absl::Seconds(3));
  EXPECT_EQ(Ready(v1::ROLE_EXPERT), 2);
  EXPECT_EQ(cluster_.Status().host().expert_workers(), 2);
  EXPECT_EQ(cluster_.Status().change().cause(), "leave");
  cluster_.CheckSteady();
}

TEST_F(CoordinatorScaleTest, AHostOfARestartedRouterGoesOnWithWhatItRuns) {
  StartHost(2);
  Scale(v1::ROLE_EXPERT, 4);
  cluster_.Run(absl::Seconds(2));
  cluster_.RestartRouter();
  cluster_.Run(absl::Seconds(3));
  EXPECT_EQ(Ready(v1::ROLE_EXPERT), 4);
  EXPECT_EQ(cluster_.Status().host().expert_workers(), 4);
  EXPECT_THAT(Events(), Not(Contains(HasSubstr("is leaving"))));
  cluster_.CheckSteady();
}

TEST_F(CoordinatorScaleTest, TheNewestHostIsFollowed) {
  StartHost(1);
  const StreamId first = cluster_.host().stream;
  v1::HostReport report;
  report.set_name("another");
  cluster_.coordinator().HostReported(first + 1000, report);
  EXPECT_EQ(cluster_.host().stream, 0U);  // it was ended
  EXPECT_EQ(cluster_.Status().host().name(), "another");
  cluster_.coordinator().HostReported(first, report);  // late
  cluster_.coordinator().HostClosed(first);
  EXPECT_TRUE(cluster_.Status().has_host());
}

}  // namespace
}  // namespace sextant
