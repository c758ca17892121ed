#include "expert_worker/service/expert_metrics.h"

#include "common/observability/metric_names.h"

namespace sextant {

ExpertMetrics::ExpertMetrics(Metrics& metrics)
    : metrics_(metrics),
      held_(metrics.AddGauge(kExpertsHeld)),
      seconds_(metrics.AddHistogram(kDispatchSeconds)),
      rows_(metrics.AddHistogram(kDispatchRows)) {}

void ExpertMetrics::OnBatch(const ExpertBatch& batch) {
  rows_.Observe(static_cast<double>(batch.outputs.rows));
  for (const ExpertRowGroup& group : batch.groups) {
    Counter*& counter = tokens_[{batch.layer, group.expert}];
    if (counter == nullptr) {
      counter = &metrics_.AddCounter(kExpertTokens, {{"layer", std::to_string(batch.layer)},
                                                     {"expert", std::to_string(group.expert)}});
    }
    counter->Increment(static_cast<double>(group.rows.size()));
  }
}

void ExpertMetrics::OnAnswered(std::chrono::nanoseconds since_arrival) {
  seconds_.Observe(std::chrono::duration<double>(since_arrival).count());
}

}  // namespace sextant
