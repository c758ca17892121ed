// What an expert worker counts for its metrics page.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "common/observability/metrics.h"
#include "expert_worker/dispatch/dispatch_observer.h"

namespace sextant {

class ExpertMetrics final : public DispatchObserver {
 public:
  // `metrics` outlives this.
  explicit ExpertMetrics(Metrics& metrics);

  // Threads: any.
  void SetHeld(std::int64_t experts) { held_.Set(static_cast<double>(experts)); }

  void OnBatch(const ExpertBatch& batch) override;
  void OnAnswered(std::chrono::nanoseconds since_arrival) override;

 private:
  Metrics& metrics_;
  Gauge& held_;
  Histogram& seconds_;
  Histogram& rows_;
  std::map<std::pair<int, std::int32_t>, Counter*> tokens_;  // by layer and expert, as they occur
};

}  // namespace sextant
