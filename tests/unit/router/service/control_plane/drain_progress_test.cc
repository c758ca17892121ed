#include "router/service/control_plane/drain_progress.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

v1::ClusterStatus WithExperts(const std::string& id, int experts) {
  v1::ClusterStatus status;
  status.set_phase("steady");
  v1::WorkerStatus& worker = *status.add_workers();
  worker.set_worker_id(id);
  worker.set_role(v1::ROLE_EXPERT);
  for (int i = 0; i < experts; ++i) worker.add_experts(i);
  return status;
}

TEST(DrainProgressTest, SpeaksWhenSomethingHasMoved) {
  DrainProgress progress("e0");
  EXPECT_EQ(progress.Update(WithExperts("e0", 4))->message(), "e0 holds 4 experts");
  EXPECT_FALSE(progress.Update(WithExperts("e0", 4)).has_value());
  const auto moved = progress.Update(WithExperts("e0", 0));
  ASSERT_TRUE(moved.has_value());
  EXPECT_EQ(moved->experts_moved(), 4);
  EXPECT_FALSE(moved->done());
}

TEST(DrainProgressTest, IsDoneWhenTheWorkerHasGone) {
  DrainProgress progress("e0");
  static_cast<void>(progress.Update(WithExperts("e0", 4)));
  const auto last = progress.Update(WithExperts("other", 8));
  ASSERT_TRUE(last.has_value());
  EXPECT_TRUE(last->done());
  EXPECT_EQ(last->experts_moved(), 4);
}

TEST(DrainProgressTest, AColocatedWorkerHasBothToGiveUp) {
  DrainProgress progress("c0");
  v1::ClusterStatus status = WithExperts("c0", 4);
  status.mutable_workers(0)->set_role(v1::ROLE_COLOCATED);
  status.mutable_workers(0)->set_running(2);
  EXPECT_EQ(progress.Update(status)->message(), "c0 holds 4 experts, runs 2 sequences");
}

}  // namespace
}  // namespace sextant
