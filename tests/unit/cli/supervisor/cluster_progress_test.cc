#include "cli/supervisor/cluster_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sextant::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::WorkerStatus& AddWorker(v1::ClusterStatus& status, v1::Role role, const char* state) {
  v1::WorkerStatus& worker = *status.add_workers();
  worker.set_role(role);
  worker.set_state(state);
  return worker;
}

TEST(ClusterProgressTest, EachStageIsSaidOnce) {
  ClusterProgress progress({.attention_workers = 1, .expert_workers = 2});
  v1::ClusterStatus status;
  EXPECT_THAT(progress.Update(status), IsEmpty());
  AddWorker(status, v1::ROLE_EXPERT, "joining");
  EXPECT_THAT(progress.Update(status),
              ElementsAre("workers: 0 of 1 attention, 1 of 2 expert have joined"));
  EXPECT_THAT(progress.Update(status), IsEmpty());
  status.set_epoch(1);
  status.mutable_model()->set_num_experts(64);
  status.set_experts_covered(32);
  EXPECT_THAT(progress.Update(status), ElementsAre("experts: 32 of 64 of every layer are held"));
}

TEST(ClusterProgressTest, OnlyThoseThatAreToRunAreSpokenOf) {
  ClusterProgress progress({.whole_workers = 2, .attention_workers = 0, .expert_workers = 0});
  v1::ClusterStatus status;
  AddWorker(status, v1::ROLE_WHOLE, "ready");
  EXPECT_THAT(progress.Update(status), ElementsAre("workers: 1 of 2 whole have joined"));
}

TEST(ServesTest, AWholeWorkerIsEnough) {
  v1::ClusterStatus status;
  v1::WorkerStatus& worker = AddWorker(status, v1::ROLE_WHOLE, "joining");
  EXPECT_FALSE(Serves(status));
  worker.set_state("ready");
  EXPECT_TRUE(Serves(status));
}

TEST(ServesTest, EveryExpertAndAnAttentionWorkerAreNeeded) {
  v1::ClusterStatus status;
  status.mutable_model()->set_num_experts(64);
  status.set_epoch(2);
  status.set_experts_covered(64);
  EXPECT_FALSE(Serves(status));
  v1::WorkerStatus& worker = AddWorker(status, v1::ROLE_ATTENTION, "joining");
  EXPECT_FALSE(Serves(status));
  worker.set_state("ready");
  EXPECT_TRUE(Serves(status));
  status.set_experts_covered(63);
  EXPECT_FALSE(Serves(status));
  status.set_experts_covered(64);
  worker.set_role(v1::ROLE_COLOCATED);
  EXPECT_TRUE(Serves(status));
}

}  // namespace
}  // namespace sextant::cli
