// What `sextant node` counts.
#pragma once

#include <array>

#include "cli/supervisor/supervisor.h"
#include "common/observability/metrics.h"

namespace sextant::cli {

class NodeMetrics {
 public:
  explicit NodeMetrics(Metrics& metrics);

  void Update(const Supervisor& supervisor);
  void SetConfigValid(bool valid) { config_valid_.Set(valid ? 1 : 0); }

 private:
  struct Role {
    ChildKind kind;
    Gauge& wanted;
    Gauge& ready;
    Counter& deaths;
  };

  static Role OfRole(Metrics& metrics, ChildKind kind, const char* name);

  std::array<Role, 4> roles_;
  Gauge& config_valid_;
};

}  // namespace sextant::cli
