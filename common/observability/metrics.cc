#include "common/observability/metrics.h"

#include <exception>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/observability/process_metrics.h"
#include "prometheus/family.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"

namespace sextant {
namespace {

// Builder: what prometheus::BuildCounter() and its siblings return.
template <typename Builder, typename... Arguments>
auto& Add(Builder builder, const char* name, const char* help, const MetricLabels& labels,
          prometheus::Registry& registry, const MetricLabels& metric_labels,
          Arguments&&... arguments) {
  try {
    return builder.Name(name).Help(help).Labels(labels).Register(registry).Add(
        metric_labels, std::forward<Arguments>(arguments)...);
  } catch (const std::exception& error) {
    internal::CheckFailed(name, 0, error.what());
  }
}

}  // namespace

Metrics::Metrics(MetricLabels labels)
    : labels_(std::move(labels)), registry_(std::make_unique<prometheus::Registry>()) {}

Metrics::~Metrics() = default;

void Metrics::Label(MetricLabels labels) {
  const MutexLock lock(mutex_);
  later_labels_ = std::move(labels);
}

Counter& Metrics::AddCounter(const CounterName& name, const MetricLabels& labels) {
  return Add(prometheus::BuildCounter(), name.name, name.help, labels_, *registry_, labels);
}

Gauge& Metrics::AddGauge(const GaugeName& name, const MetricLabels& labels) {
  return Add(prometheus::BuildGauge(), name.name, name.help, labels_, *registry_, labels);
}

Histogram& Metrics::AddHistogram(const HistogramName& name, const MetricLabels& labels) {
  const std::vector<double> buckets(name.buckets.begin(), name.buckets.end());
  return Add(prometheus::BuildHistogram(), name.name, name.help, labels_, *registry_, labels,
             buckets);
}

std::string Metrics::Text() const {
  std::vector<prometheus::MetricFamily> families = registry_->Collect();
  const MutexLock lock(mutex_);
  for (prometheus::MetricFamily& family : families) {
    for (prometheus::ClientMetric& metric : family.metric) {
      for (const auto& [name, value] : later_labels_) {
        metric.label.push_back({.name = name, .value = value});
      }
    }
  }
  return prometheus::TextSerializer().Serialize(families);
}

std::string Metrics::TextWithProcess() const {
  return absl::StrCat(Text(), prometheus::TextSerializer().Serialize(CollectProcessMetrics()));
}

}  // namespace sextant
