#include "router/coordinator/cluster_metrics.h"

#include "common/membership/roles.h"

namespace sextant {
namespace {

constexpr const char* kStates[] = {"joining", "ready", "silent", "leaving"};
constexpr const char* kCauses[] = {"start", "join",      "leave",   "death",
                                   "scale", "rebalance", "settings"};
constexpr const char* kPhases[] = {"halt", "prepare", "commit", "retire"};

}  // namespace

ClusterMetrics::ClusterMetrics(Metrics& metrics)
    : epoch_(metrics.AddGauge(kClusterEpoch)),
      covered_(metrics.AddGauge(kExpertsCovered)),
      moved_(metrics.AddCounter(kExpertsMoved)) {
  for (const v1::Role role : kRoles) {
    for (const char* state : kStates) {
      workers_[{RoleName(role), state}] =
          &metrics.AddGauge(kClusterWorkers, {{"role", RoleName(role)}, {"state", state}});
    }
  }
  // Those that never happen show as 0.
  for (const char* cause : kCauses) {
    epochs_[cause] = &metrics.AddCounter(kEpochs, {{"cause", cause}});
  }
  for (const char* phase : kPhases) {
    phase_seconds_[phase] = &metrics.AddHistogram(kEpochPhaseSeconds, {{"phase", phase}});
  }
}

void ClusterMetrics::PhaseEnded(const std::string& phase, absl::Duration took) {
  phase_seconds_.at(phase)->Observe(absl::ToDoubleSeconds(took));
}

void ClusterMetrics::EpochCommitted(const std::string& cause, int moved) {
  epochs_.at(cause)->Increment();
  moved_.Increment(moved);
}

void ClusterMetrics::Show(const v1::ClusterStatus& status) {
  epoch_.Set(static_cast<double>(status.epoch()));
  covered_.Set(status.experts_covered());
  std::map<std::pair<std::string, std::string>, int> counts;
  for (const v1::WorkerStatus& worker : status.workers()) {
    ++counts[{RoleName(worker.role()), worker.state()}];
  }
  for (const auto& [key, gauge] : workers_) gauge->Set(counts[key]);
}

}  // namespace sextant
