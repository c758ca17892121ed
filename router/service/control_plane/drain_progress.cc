#include "router/service/control_plane/drain_progress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace sextant {

std::optional<v1::ChangeProgress> DrainProgress::Update(const v1::ClusterStatus& status) {
  const auto& workers = status.workers();
  const auto found = std::find_if(workers.begin(), workers.end(), [this](const auto& worker) {
    return worker.worker_id() == worker_id_;
  });
  v1::ChangeProgress progress;
  progress.set_phase(status.phase());
  if (found == workers.end()) {
    progress.set_message(absl::StrCat(worker_id_, " has gone"));
    progress.set_experts_moved(std::max<std::int64_t>(first_experts_, 0));
    progress.set_done(true);
    return progress;
  }
  if (first_experts_ < 0) first_experts_ = found->experts_size();
  progress.set_experts_moved(first_experts_ - found->experts_size());
  const std::string held = absl::StrCat("holds ", found->experts_size(), " experts");
  const std::string run = absl::StrCat("runs ", found->running() + found->waiting(), " sequences");
  progress.set_message(absl::StrCat(worker_id_, " ",
                                    found->role() == v1::ROLE_EXPERT      ? held
                                    : found->role() == v1::ROLE_COLOCATED ? held + ", " + run
                                                                          : run));
  const std::string said = absl::StrCat(progress.phase(), ": ", progress.message());
  if (said == said_) return std::nullopt;
  said_ = said;
  return progress;
}

}  // namespace sextant
