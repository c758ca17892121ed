#include "common/membership/roles.h"
#include "router/coordinator/coordinator.h"

namespace sextant {

v1::ClusterStatus Coordinator::Status() const {
  const absl::Time now = clock_.Now();
  v1::ClusterStatus status;
  status.set_version(config_.version);
  *status.mutable_model() = agreement_.model();
  status.set_numeric_profile(agreement_.numeric_profile());
  status.set_epoch(epoch_);
  status.set_phase(Phase());
  for (const v1::Role role : kRoles) {
    for (const auto& [id, worker] : workers_) {
      if (worker.role() != role) continue;
      v1::WorkerStatus& shown = *status.add_workers();
      const std::vector<std::int32_t> experts = ExpertsOf(holders_, id);
      shown.set_worker_id(id);
      shown.set_role(role);
      shown.set_target(worker.target());
      shown.set_state(StateOf(worker));
      shown.set_epoch(worker.committed);
      shown.mutable_experts()->Add(experts.begin(), experts.end());
      shown.set_cache_blocks(worker.hello.cache_blocks());
      shown.set_free_blocks(worker.beat.free_blocks());
      shown.set_running(worker.beat.running());
      shown.set_waiting(worker.beat.waiting());
      shown.set_tokens_per_second(worker.beat.tokens_per_second());
      shown.set_silent_seconds(absl::ToDoubleSeconds(now - worker.last_heard));
      shown.set_pid(worker.hello.pid());
      shown.set_admin_target(worker.hello.admin_target());
    }
  }
  status.set_experts_covered(static_cast<std::int32_t>(holders_.size() - Unheld().size()));
  status.set_uptime_seconds(absl::ToDoubleSeconds(now - created_));
  for (const std::string& line : events_.lines()) status.add_events(line);
  *status.mutable_change() = ChangeStatus();
  status.set_ranks(AreRanks());
  FillScales(status);
  FillLoad(status);
  return status;
}

v1::EpochStatus Coordinator::ChangeStatus() const {
  v1::EpochStatus status = change_status_;
  if (!change_.has_value()) return status;
  status.set_epoch(change_->number);
  status.set_cause(change_->cause);
  status.set_phase(PhaseName(change_->phase));
  status.set_participants(static_cast<std::int32_t>(change_->participants.size()));
  status.set_answered(
      static_cast<std::int32_t>(change_->participants.size() - change_->pending.size()));
  status.set_experts_moved(change_->moved);
  status.set_bytes_moved(change_->moved * config_.expert_bytes);
  return status;
}

const char* Coordinator::StateOf(const Worker& worker) const {
  if (worker.leaving) return "leaving";
  if (!worker.started || (!worker.is_whole() && worker.committed == 0)) return "joining";
  const absl::Duration silence = clock_.Now() - worker.last_heard;
  return silence > 2.5 * config_.heartbeat_interval ? "silent" : "ready";
}

bool Coordinator::IsReady(const Worker& worker) const {
  return std::string(StateOf(worker)) == "ready";
}

std::string Coordinator::Phase() const {
  if (change_.has_value()) return PhaseName(change_->phase);
  return directory_.empty() ? "waiting for workers" : "steady";
}

}  // namespace sextant
