#include "router/service/control_plane/scale_progress.h"

#include <gtest/gtest.h>

#include "router/service/control_plane/change_text.h"

namespace sextant {
namespace {

// One of three workers of a role is there, and nobody starts processes.
v1::ClusterStatus WithOneOfThree(v1::Role role) {
  v1::ClusterStatus status;
  v1::ScaleStatus& scale = *status.add_scales();
  scale.set_number(1);
  scale.set_role(role);
  scale.set_count(3);
  scale.set_ready(1);
  scale.set_present(1);
  return status;
}

std::string Said(const v1::ClusterStatus& status, v1::Role role) {
  ScaleProgress progress(role, 1);
  const auto update = progress.Update(status);
  return update.ok() && update->has_value() ? (*update)->message() : "nothing";
}

TEST(ScaleProgressTest, SaysWhatToStart) {
  EXPECT_EQ(
      Said(WithOneOfThree(v1::ROLE_EXPERT), v1::ROLE_EXPERT),
      "1 of 3 expert workers ready; nobody starts processes for this router, so start 2 more: "
      "expert_worker --model DIR --router ADDRESS (docs/cluster.md)");
}

TEST(ScaleProgressTest, RanksAreStartedByHand) {
  v1::ClusterStatus status = WithOneOfThree(v1::ROLE_ATTENTION);
  status.set_ranks(true);
  EXPECT_EQ(Said(status, v1::ROLE_ATTENTION),
            "1 of 3 attention workers ready; nobody starts ranks, so start 2 more by hand");
  EXPECT_EQ(Said(WithOneOfThree(v1::ROLE_COLOCATED), v1::ROLE_COLOCATED),
            "1 of 3 colocated workers ready; nobody starts ranks, so start 2 more by hand");
}

TEST(ChangeTextTest, NothingIsPlannedYetInAHalt) {
  v1::EpochStatus change;
  change.set_epoch(4);
  change.set_phase("halt");
  change.set_answered(1);
  change.set_participants(3);
  EXPECT_TRUE(IsUnderWay(change));
  EXPECT_EQ(EpochText(change), "epoch 4: 1 of 3 workers have answered");
  change.set_phase("prepare");
  EXPECT_EQ(EpochText(change), "epoch 4: 1 of 3 workers have answered; 0 experts to move");
}

}  // namespace
}  // namespace sextant
