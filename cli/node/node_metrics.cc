#include "cli/node/node_metrics.h"

namespace sextant::cli {

NodeMetrics::NodeMetrics(Metrics& metrics)
    : roles_({OfRole(metrics, ChildKind::kAttentionWorker, "attention"),
              OfRole(metrics, ChildKind::kExpertWorker, "expert"),
              OfRole(metrics, ChildKind::kWholeWorker, "whole"),
              OfRole(metrics, ChildKind::kColocatedWorker, "colocated")}),
      config_valid_(metrics.AddGauge(kNodeConfigValid)) {
  SetConfigValid(true);
}

NodeMetrics::Role NodeMetrics::OfRole(Metrics& metrics, ChildKind kind, const char* name) {
  const MetricLabels labels = {{"role", name}};
  return {.kind = kind,
          .wanted = metrics.AddGauge(kNodeWorkersWanted, labels),
          .ready = metrics.AddGauge(kNodeWorkersReady, labels),
          .deaths = metrics.AddCounter(kNodeWorkerDeaths, labels)};
}

void NodeMetrics::Update(const Supervisor& supervisor) {
  for (Role& role : roles_) {
    role.wanted.Set(supervisor.wanted(role.kind));
    role.ready.Set(supervisor.ready(role.kind));
    role.deaths.Increment(supervisor.deaths(role.kind) - role.deaths.Value());
  }
}

}  // namespace sextant::cli
