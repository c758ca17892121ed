#include "expert_worker/service/expert_role.h"

#include <vector>

#include "common/base/status.h"

namespace sextant {
namespace {

std::vector<std::int32_t> ExpertsOf(const std::string& worker_id, const v1::Placement& placement) {
  for (const v1::PlacedWorker& worker : placement.expert_workers()) {
    if (worker.worker_id() != worker_id) continue;
    return {worker.experts().begin(), worker.experts().end()};
  }
  return {};  // it is being drained
}

}  // namespace

absl::Status ExpertRole::Prepare(const v1::Placement& placement) {
  const absl::Time started = absl::Now();
  const std::vector<std::int32_t> experts = ExpertsOf(parts_.worker_id, placement);
  const std::size_t held = parts_.shard.snapshot()->Ids().size();
  parts_.log.Info("mapping experts",
                  {{"epoch", placement.epoch()}, {"experts", experts.size()}, {"held", held}});
  // Once a second, for whoever waits.
  absl::Time told = started;
  const auto progress = [&](std::size_t done, std::size_t of) {
    if (absl::Now() - told < absl::Seconds(1)) return;
    told = absl::Now();
    parts_.log.Info("mapping experts",
                    {{"epoch", placement.epoch()}, {"mapped", done}, {"of", of}});
  };
  absl::Status status = parts_.shard.Prepare(placement.epoch(), experts, progress);
  if (!status.ok()) {
    parts_.log.Error("cannot map experts",
                     {{"epoch", placement.epoch()}, {"error", std::string(status.message())}});
    return status;
  }
  const auto now_held = static_cast<std::int64_t>(parts_.shard.snapshot()->Ids().size());
  parts_.metrics.SetHeld(now_held);
  parts_.log.Info(
      "prepared",
      {{"epoch", placement.epoch()}, {"held", now_held}, {"seconds", absl::Now() - started}});
  return absl::OkStatus();
}

void ExpertRole::Commit(std::uint64_t epoch) { parts_.log.Info("committed", {{"epoch", epoch}}); }

void ExpertRole::Retire(std::uint64_t epoch) {
  parts_.shard.Retire(epoch);
  const auto held = static_cast<std::int64_t>(parts_.shard.snapshot()->Ids().size());
  parts_.metrics.SetHeld(held);
  parts_.log.Info("retired what the epoch does not place here", {{"epoch", epoch}, {"held", held}});
}

void ExpertRole::FillHeartbeat(v1::Heartbeat& beat) {
  const DispatchCounts counts = parts_.worker.counts();
  beat.set_waiting(counts.waiting);
  beat.set_progressing(counts.waiting == 0 || counts.dispatches != answered_);
  answered_ = counts.dispatches;
  const std::vector<std::int64_t> load = parts_.worker.TakeLoad();
  for (std::size_t e = 0; e < load.size(); ++e) {
    if (load[e] == 0) continue;
    v1::ExpertLoad& entry = *beat.add_expert_load();
    entry.set_expert(static_cast<std::int32_t>(e));
    entry.set_rows(load[e]);
  }
}

}  // namespace sextant
