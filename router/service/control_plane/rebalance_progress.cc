#include "router/service/control_plane/rebalance_progress.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "router/coordinator/scaling.h"
#include "router/service/control_plane/change_text.h"

namespace sextant {

std::optional<v1::ChangeProgress> RebalanceProgress::Update(const v1::ClusterStatus& status) {
  const v1::RebalanceStatus& rebalance = status.rebalance();
  if (rebalance.number() < number_) return std::nullopt;  // too old
  v1::ChangeProgress progress;
  progress.set_experts_moved(rebalance.experts_moved());
  progress.set_bytes_moved(rebalance.bytes_moved());
  // A later one evens out what this one was to.
  if (rebalance.done() || rebalance.number() > number_) {
    progress.set_done(true);
    progress.set_phase("done");
    progress.set_message(absl::StrFormat(
        "epoch %d; %s moved after %.2f s; the busiest expert worker got %.2f times the mean load, "
        "now %.2f",
        status.epoch(), MovedText(rebalance.experts_moved(), rebalance.bytes_moved()),
        rebalance.seconds(), rebalance.imbalance_before(), rebalance.imbalance_after()));
    return progress;
  }
  if (!IsUnderWay(status.change())) return std::nullopt;
  progress.set_phase(status.change().phase());
  progress.set_message(EpochText(status.change()));
  const std::string said = absl::StrCat(progress.phase(), ": ", progress.message());
  if (said == said_) return std::nullopt;
  said_ = said;
  return progress;
}

}  // namespace sextant
