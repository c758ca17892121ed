// Whole workers: alone, and beside attention and expert workers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "common/errors/error_details.h"
#include "tests/support/message_of.h"
#include "tests/unit/router/coordinator/coordinator_fixture.h"

namespace sextant {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class CoordinatorWholeTest : public CoordinatorTest {
 protected:
  absl::StatusOr<v1::ChangeProgress> Scale(v1::Role role, int count) {
    std::uint64_t number = 0;
    return cluster_.coordinator().Scale(role, count, number);
  }
  v1::ScaleStatus Goal(v1::Role role) {
    const v1::ClusterStatus status = cluster_.Status();
    for (const v1::ScaleStatus& scale : status.scales()) {
      if (scale.role() == role) return scale;
    }
    return {};
  }
};

TEST_F(CoordinatorWholeTest, OneServesFromItsFirstHeartbeatOnWithoutAnEpoch) {
  cluster_.AddWhole("w0").starting = true;
  cluster_.Run(absl::Seconds(2));
  EXPECT_THAT(cluster_.directory(), IsEmpty());
  EXPECT_EQ(State("w0"), "joining");
  EXPECT_EQ(cluster_.Status().phase(), "waiting for workers");
  cluster_.worker("w0").starting = false;
  cluster_.Pass(absl::Milliseconds(50));
  cluster_.DeliverEverything();
  EXPECT_THAT(cluster_.directory(), ElementsAre("w0"));
  EXPECT_EQ(State("w0"), "ready");
  EXPECT_EQ(cluster_.Status().phase(), "steady");
  EXPECT_EQ(cluster_.Status().experts_covered(), 8);
  EXPECT_EQ(cluster_.Status().epoch(), 0U);
  cluster_.Run(absl::Seconds(10));
  EXPECT_EQ(cluster_.epochs_begun(), 0);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorWholeTest, WithoutAnyNothingSpeaksOfExperts) {
  cluster_.AddWhole("w0");
  cluster_.Run(absl::Seconds(1));
  EXPECT_THAT(cluster_.cover().missing, IsEmpty());
  EXPECT_EQ(cluster_.cover().attention_workers, 1);
  cluster_.Kill(cluster_.worker("w0"));
  cluster_.Run(absl::Seconds(1));
  EXPECT_THAT(cluster_.directory(), IsEmpty());
  EXPECT_THAT(cluster_.cover().missing, IsEmpty());
  EXPECT_EQ(cluster_.cover().attention_workers, 0);
}

TEST_F(CoordinatorWholeTest, ExpertWorkersComeAndGoBesideIt) {
  cluster_.AddWhole("w0");
  for (const char* id : {"e0", "e1"}) cluster_.AddExpert(id);
  cluster_.AddAttention("a0");
  cluster_.Run(absl::Seconds(1));
  EXPECT_THAT(cluster_.directory(), ElementsAre("a0", "w0"));
  EXPECT_EQ(State("w0"), "ready");
  cluster_.Kill(cluster_.worker("e0"));
  cluster_.Kill(cluster_.worker("e1"));
  cluster_.HearOfEnds();
  cluster_.HearOfEnds();
  // The attention worker has nobody, the whole one needs nobody.
  EXPECT_THAT(cluster_.directory(), ElementsAre("w0"));
  EXPECT_THAT(cluster_.cover().missing, IsEmpty());
  EXPECT_EQ(cluster_.Status().experts_covered(), 8);
  cluster_.Kill(cluster_.worker("w0"));
  cluster_.Run(absl::Seconds(1));
  EXPECT_THAT(cluster_.cover().missing, SizeIs(8));
  cluster_.AddExpert("e2");
  cluster_.Run(absl::Seconds(1));
  EXPECT_THAT(cluster_.directory(), ElementsAre("a0"));
  cluster_.CheckSteady();
}

TEST_F(CoordinatorWholeTest, ItsComingAndGoingIsNoChangeOfEpochs) {
  StartCluster(2);
  cluster_.AddWhole("w0");
  cluster_.AddWhole("w1").starting = true;
  cluster_.Run(absl::Seconds(2));
  EXPECT_THAT(cluster_.directory(), ElementsAre("a0", "w0"));
  cluster_.Kill(cluster_.worker("w0"));
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.Status().epoch(), 1U);
  // Nor does an epoch wait for the engine of the other one.
  cluster_.AddExpert("e2");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.Status().epoch(), 2U);
  cluster_.worker("w1").starting = false;
  cluster_.Run(absl::Seconds(1));
  cluster_.CheckSteady();
}

TEST_F(CoordinatorWholeTest, ALeavingOneFinishesItsSequences) {
  cluster_.AddWhole("w0").running = 2;
  cluster_.AddWhole("w1");
  cluster_.Run(absl::Seconds(1));
  cluster_.Leave(cluster_.worker("w0"));
  cluster_.Run(absl::Seconds(2));
  EXPECT_EQ(State("w0"), "leaving");
  EXPECT_THAT(cluster_.directory(), ElementsAre("w1"));
  cluster_.worker("w0").running = 0;
  cluster_.Run(absl::Seconds(1));
  EXPECT_TRUE(cluster_.worker("w0").over.has_value());
  cluster_.CheckSteady();
}

TEST_F(CoordinatorWholeTest, OneOfAnotherProfileIsRefused) {
  StartCluster(1);
  v1::Hello gpu = WholeHello("w0");
  gpu.clear_numeric_profiles();
  gpu.add_numeric_profiles("cuda");
  cluster_.Add(gpu);
  cluster_.Run(absl::Seconds(1));
  ASSERT_TRUE(cluster_.worker("w0").over.has_value());
  EXPECT_EQ(Reason(*cluster_.worker("w0").over), "PROFILE_UNSUPPORTED");
  EXPECT_THAT(cluster_.directory(), ElementsAre("a0"));
  EXPECT_THAT(Events(), Contains(HasSubstr("can compute only cuda")));
}

TEST_F(CoordinatorWholeTest, AHostScalesThemUpAndDown) {
  cluster_.AddHost(0, 0, 1);
  cluster_.Run(absl::Seconds(1));
  const auto plan = Scale(v1::ROLE_WHOLE, 3);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->message(), "1 -> 3 whole workers: 2 will be started by host");
  cluster_.Run(absl::Seconds(1));
  EXPECT_TRUE(Goal(v1::ROLE_WHOLE).done());
  EXPECT_THAT(cluster_.directory(), SizeIs(3));
  cluster_.worker(cluster_.directory().front()).running = 1;
  cluster_.Run(absl::Seconds(1));
  const std::string busy = cluster_.directory().front();
  ASSERT_TRUE(Scale(v1::ROLE_WHOLE, 1).ok());
  cluster_.Run(absl::Seconds(2));
  EXPECT_TRUE(Goal(v1::ROLE_WHOLE).done());
  EXPECT_THAT(cluster_.directory(), ElementsAre(busy));
  EXPECT_EQ(cluster_.Status().host().whole_workers(), 1);
  EXPECT_EQ(cluster_.Status().host().expert_workers(), 0);
  cluster_.CheckSteady();
}

TEST_F(CoordinatorWholeTest, ExpertWorkersThatNobodyWouldUseAreRefused) {
  cluster_.AddHost(0, 0, 1);
  cluster_.Run(absl::Seconds(1));
  const auto refused = Scale(v1::ROLE_EXPERT, 2);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(refused), HasSubstr("scale whole"));
  EXPECT_EQ(cluster_.Status().host().expert_workers(), 0);
  // Beside attention workers they are of use, and both come.
  ASSERT_TRUE(Scale(v1::ROLE_ATTENTION, 1).ok());
  ASSERT_TRUE(Scale(v1::ROLE_EXPERT, 2).ok());
  cluster_.Run(absl::Seconds(2));
  EXPECT_TRUE(Goal(v1::ROLE_EXPERT).done());
  EXPECT_TRUE(Goal(v1::ROLE_ATTENTION).done());
  EXPECT_THAT(cluster_.directory(), SizeIs(2));
  cluster_.CheckSteady();
}

TEST_F(CoordinatorWholeTest, WorkersThatComputeOnCpusAreRefusedBesideGpus) {
  v1::Hello gpu = WholeHello("w0");
  gpu.clear_numeric_profiles();
  gpu.add_numeric_profiles("cuda");
  cluster_.Add(gpu);
  cluster_.Run(absl::Seconds(1));
  for (const v1::Role role : {v1::ROLE_ATTENTION, v1::ROLE_EXPERT}) {
    const auto refused = Scale(role, 1);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(MessageOf(refused),
                AllOf(HasSubstr("computes on GPUs"), HasSubstr("`sextant scale whole N`"),
                      Not(HasSubstr("scale attention"))));
  }
  EXPECT_TRUE(Scale(v1::ROLE_WHOLE, 2).ok());
}

TEST_F(CoordinatorWholeTest, AGoalOfThemNeitherHurriesEpochsNorIsTheirCause) {
  StartCluster(1);
  ASSERT_TRUE(Scale(v1::ROLE_WHOLE, 1).ok());  // it never comes
  cluster_.AddExpert("e1");
  const absl::Time joined = cluster_.clock.Now();
  while (cluster_.Status().epoch() == 1) cluster_.Run(absl::Milliseconds(10));
  EXPECT_GE(cluster_.clock.Now() - joined, CoordinatorConfig().settle);
  EXPECT_FALSE(Goal(v1::ROLE_WHOLE).done());
  EXPECT_EQ(cluster_.causes().at("join"), 1);
  EXPECT_EQ(cluster_.causes().count("scale"), 0U);
}

TEST_F(CoordinatorWholeTest, TheLastExpertWorkerMayGoWhenNobodyNeedsIt) {
  StartCluster(1);
  cluster_.AddWhole("w0");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(cluster_.coordinator().Drain("e0").code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(cluster_.coordinator().Drain("a0").ok());
  cluster_.Run(absl::Seconds(1));
  ASSERT_TRUE(cluster_.coordinator().Drain("e0").ok());
  cluster_.Run(absl::Seconds(1));
  EXPECT_TRUE(cluster_.worker("e0").over.has_value());
  EXPECT_THAT(cluster_.directory(), ElementsAre("w0"));
  // What has been split once speaks of experts no more.
  cluster_.Kill(cluster_.worker("w0"));
  cluster_.Run(absl::Seconds(1));
  EXPECT_THAT(cluster_.cover().missing, IsEmpty());
  EXPECT_EQ(cluster_.cover().attention_workers, 0);
  cluster_.AddAttention("a1");
  cluster_.Run(absl::Seconds(1));
  EXPECT_THAT(cluster_.cover().missing, SizeIs(8));
}

TEST_F(CoordinatorWholeTest, AGoalOfThemNeedsNoExpert) {
  StartCluster(1);
  cluster_.Kill(cluster_.worker("e0"));
  cluster_.Run(absl::Seconds(1));
  ASSERT_TRUE(Scale(v1::ROLE_WHOLE, 1).ok());
  cluster_.Run(absl::Seconds(1));
  EXPECT_FALSE(Goal(v1::ROLE_WHOLE).done());
  cluster_.AddWhole("w0");
  cluster_.Run(absl::Seconds(1));
  EXPECT_TRUE(Goal(v1::ROLE_WHOLE).done());
  EXPECT_THAT(cluster_.directory(), ElementsAre("w0"));
}

TEST_F(CoordinatorWholeTest, ARouterThatStartsAnewHasThemAgain) {
  cluster_.AddWhole("w0");
  cluster_.Run(absl::Seconds(1));
  cluster_.RestartRouter();
  cluster_.Run(absl::Seconds(1));
  EXPECT_THAT(cluster_.directory(), ElementsAre("w0"));
  EXPECT_EQ(cluster_.epochs_begun(), 0);
}

}  // namespace
}  // namespace sextant
