// Counters, gauges and histograms of one process, for its metrics page (metrics_server.h).
//
//   Metrics metrics(MetricLabels{{"model_name", "demo"}});
//   Gauge& running = metrics.AddGauge(kNumRequestsRunning);
//   Counter& stopped = metrics.AddCounter(kRequestSuccess, {{"finished_reason", "stop"}});
//   running.Set(3);
//   stopped.Increment();
//
// A role takes what it counts from here once, at its construction, into a struct of references.
// Names, help and buckets stand in metric_names.h, so that docs/metrics.md can be held to them.
//
// Ownership: the references live as long as the Metrics they came from.
// Threads:   everything may be called from any thread; changing a value takes no lock but that of
//            one histogram.
// Errors:    a name or label that Prometheus does not allow, and one name of two types, are broken
//            invariants.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/base/mutex.h"
#include "common/observability/metric_names.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"

namespace prometheus {
class Registry;
}

namespace sextant {

using Counter = prometheus::Counter;
using Gauge = prometheus::Gauge;
using Histogram = prometheus::Histogram;
using MetricLabels = std::map<std::string, std::string>;

class Metrics {
 public:
  // `labels` go with every metric.
  explicit Metrics(MetricLabels labels = {});
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // These go with every metric, too, from now on: what a role learns of itself only when it has
  // joined a cluster.
  void Label(MetricLabels labels);

  // The metric of these labels: a new one, or the one that was added before.
  [[nodiscard]] Counter& AddCounter(const CounterName& name, const MetricLabels& labels = {});
  [[nodiscard]] Gauge& AddGauge(const GaugeName& name, const MetricLabels& labels = {});
  [[nodiscard]] Histogram& AddHistogram(const HistogramName& name, const MetricLabels& labels = {});

  // The page in Prometheus' text format.
  [[nodiscard]] std::string Text() const;
  // And what the process itself uses: process_metrics.h.
  [[nodiscard]] std::string TextWithProcess() const;

 private:
  const MetricLabels labels_;
  const std::unique_ptr<prometheus::Registry> registry_;
  mutable Mutex mutex_;
  MetricLabels later_labels_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sextant
