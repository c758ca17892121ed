// What the coordinator counts about the cluster, for the router's metrics page.
//
// Threads: the coordinator's alone.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "common/observability/metrics.h"
#include "proto/sextant/v1/admin.pb.h"

namespace sextant {

class ClusterMetrics {
 public:
  // `metrics` outlives this.
  explicit ClusterMetrics(Metrics& metrics);

  void PhaseEnded(const std::string& phase, absl::Duration took);
  void EpochCommitted(const std::string& cause, int moved);
  // Sets the gauges.
  void Show(const v1::ClusterStatus& status);

 private:
  Gauge& epoch_;
  Gauge& covered_;
  Counter& moved_;
  std::map<std::string, Counter*> epochs_;                         // by cause
  std::map<std::string, Histogram*> phase_seconds_;                // by phase
  std::map<std::pair<std::string, std::string>, Gauge*> workers_;  // by role and state
};

}  // namespace sextant
