// What must hold whenever the coordinator sends something or a worker obeys, and in the end.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "router/coordinator/placed_workers.h"
#include "tests/unit/router/coordinator/simulated_cluster.h"

namespace sextant {

void SimulatedCluster::CheckPrepare(const v1::Placement& placement) {
  if (placement.epoch() == newest_prepare_) return;  // to another worker, checked before
  if (placement.epoch() <= std::max(newest_prepare_, newest_told_)) {
    Violation(absl::StrCat("epoch ", placement.epoch(), " after ", newest_prepare_));
  }
  newest_prepare_ = placement.epoch();
  ++epochs_begun_;
  std::vector<int> holders(static_cast<std::size_t>(num_experts), 0);
  CheckRanks(placement);
  for (const v1::PlacedWorker& placed : PlacedWorkers(placement)) {
    const bool there = std::any_of(open_.begin(), open_.end(), [&](const auto& entry) {
      return entry.second.worker_id == placed.worker_id();
    });
    if (!there) Violation(absl::StrCat("experts placed on ", placed.worker_id(), ", who is gone"));
    for (const int expert : placed.experts()) ++holders[static_cast<std::size_t>(expert)];
  }
  for (const int count : holders) {
    if (count < 1 || count > (config_.placement.replicas > 0 ? 2 : 1)) {
      Violation(absl::StrCat("an expert has ", count, " holders"));
    }
  }
}

void SimulatedCluster::CheckCommit(std::uint64_t epoch) {
  for (const auto& [stream, open] : open_) {
    if (open.told_prepare == epoch && open.heard_prepared != epoch) {
      Violation(absl::StrCat("commit ", epoch, " before ", open.worker_id, " has prepared"));
    }
  }
}

void SimulatedCluster::CheckRetire(std::uint64_t epoch) {
  for (const auto& [stream, open] : open_) {
    const bool attends = open.worker_id.front() == 'a' || open.worker_id.front() == 'c';
    if (open.told_commit == 0 || !attends) continue;
    if (open.told_commit != epoch || open.heard_committed != epoch) {
      Violation(absl::StrCat("retire ", epoch, " while ", open.worker_id, " uses ",
                             open.heard_committed));
    }
  }
}

// What attention workers that are members reach this worker for must be held by it.
void SimulatedCluster::CheckReach(const SimulatedWorker& expert_worker, const char* when) {
  for (const auto& [id, worker] : workers_) {
    if (!worker.attends() || !worker.committed_on_this_stream || !open_.contains(worker.stream)) {
      continue;
    }
    for (const v1::PlacedWorker& placed : PlacedWorkers(worker.committed)) {
      if (placed.worker_id() != expert_worker.hello.worker_id()) continue;
      for (const int expert : placed.experts()) {
        if (expert_worker.held.contains(expert)) continue;
        // A rank that is to go and has no sequence sends nothing.
        if (worker.is_rank() && worker.running == 0 && IsLeaving(id)) continue;
        Violation(absl::StrCat(when, ", ", placed.worker_id(), " lacks expert ", expert, " that ",
                               id, " reaches it for in epoch ", worker.committed.epoch()));
      }
    }
  }
}

bool SimulatedCluster::IsLeaving(const std::string& id) const {
  const v1::ClusterStatus status = Status();
  const auto& workers = status.workers();
  return std::any_of(workers.begin(), workers.end(), [&id](const v1::WorkerStatus& shown) {
    return shown.worker_id() == id && shown.state() == "leaving";
  });
}

void SimulatedCluster::CheckSteady() {
  const v1::ClusterStatus status = Status();
  std::vector<std::string> attention;  // and whole ones
  std::vector<std::string> whole;
  int experts = 0;
  for (const auto& [id, worker] : workers_) {
    if (worker.over.has_value()) continue;
    if (worker.holds()) ++experts;
    if (worker.attends()) attention.push_back(id);
    if (worker.is_whole()) whole.push_back(id);
  }
  if (!whole.empty() && !cover_.missing.empty()) Violation("experts are missing in the end");
  CheckEntered(status);
  // Ranks have no epoch without one that attends.
  if (experts == 0 || (status.ranks() && attention == whole)) {
    if (directory_ != whole) Violation("not those that need no expert worker are ready in the end");
    return;
  }
  if (directory_ != attention) Violation("not every attention worker is ready in the end");
  if (status.experts_covered() != num_experts)
    Violation("not every expert has a holder in the end");
  if (status.phase() != (attention.empty() ? "waiting for workers" : "steady")) {
    Violation(absl::StrCat("the phase is ", status.phase(), " in the end"));
  }
  std::vector<int> holders(static_cast<std::size_t>(num_experts), 0);
  for (const v1::WorkerStatus& shown : status.workers()) {
    const auto found = workers_.find(shown.worker_id());
    if (found == workers_.end()) {
      Violation(absl::StrCat(shown.worker_id(), " is dead and still a member"));
      continue;
    }
    const SimulatedWorker& worker = found->second;
    if (shown.state() != "ready") {
      Violation(absl::StrCat(shown.worker_id(), " is ", shown.state(), " in the end"));
    }
    if (worker.committed.epoch() != (worker.is_whole() ? 0 : status.epoch())) {
      Violation(absl::StrCat(shown.worker_id(), " is in epoch ", worker.committed.epoch(),
                             " in the end, and not in ", status.epoch()));
    }
    if (!worker.holds()) continue;
    const std::set<int> placed(shown.experts().begin(), shown.experts().end());
    if (worker.held != placed) {
      Violation(absl::StrCat(shown.worker_id(), " does not hold what is placed on it"));
    }
    for (const int expert : placed) ++holders[static_cast<std::size_t>(expert)];
    const auto count = static_cast<int>(placed.size());
    const int most = (num_experts + experts - 1) / experts;
    const bool by_count = config_.placement.spare_slots == 0 && config_.placement.replicas == 0;
    if ((by_count && count < num_experts / experts) ||
        count > most + config_.placement.spare_slots + 2 * config_.placement.replicas) {
      Violation(absl::StrCat(shown.worker_id(), " holds ", count, " experts in the end"));
    }
  }
  int copies = 0;
  for (const int count : holders) {
    if (count < 1 || count > 2) {
      Violation(absl::StrCat("an expert has ", count, " holders in the end"));
    }
    copies += count - 1;
  }
  if (copies != (experts < 2 ? 0 : std::min(config_.placement.replicas, num_experts))) {
    Violation(absl::StrCat(copies, " experts have a copy in the end"));
  }
}

void SimulatedCluster::Violation(const std::string& what) {
  if (violations_.size() < 20) violations_.push_back(what);
}

}  // namespace sextant
