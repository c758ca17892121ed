// What an attention worker counts for its metrics page, after every step.
#pragma once

#include <cstdint>

#include "attention_worker/engine/engine.h"
#include "attention_worker/serving/engine_thread.h"
#include "common/exchange/exchange.h"
#include "common/exchange/grpc_exchange.h"
#include "common/observability/metrics.h"

namespace sextant {

// Threads: the engine thread.
class AttentionMetrics {
 public:
  // `metrics` outlives this.
  explicit AttentionMetrics(Metrics& metrics);

  void OnStep(const EngineThread::StepReport& report, const ExchangeCounts& exchange);

  [[nodiscard]] Histogram& dispatch_seconds() { return dispatch_seconds_; }
  [[nodiscard]] Histogram& combine_seconds() { return combine_seconds_; }

 private:
  Gauge& cache_usage_;
  Counter& prefix_queries_;
  Counter& prefix_hits_;
  Counter& preemptions_;
  Histogram& step_rows_;
  Histogram& step_seconds_;
  Histogram& dispatch_seconds_;
  Histogram& combine_seconds_;
  Counter& bytes_sent_;
  Counter& bytes_received_;
  Counter& rows_resent_;
  EngineStats last_;
  ExchangeCounts last_exchange_;
};

// An exchange whose phases are timed.
class TimedExchange final : public Exchange {
 public:
  // All outlive this.
  TimedExchange(Exchange& inner, AttentionMetrics& metrics) : inner_(inner), metrics_(metrics) {}

  [[nodiscard]] absl::Status Dispatch(const ExpertDispatch& dispatch) override;
  [[nodiscard]] absl::StatusOr<ExpertOutputs> Collect() override;

 private:
  Exchange& inner_;
  AttentionMetrics& metrics_;
};

}  // namespace sextant
