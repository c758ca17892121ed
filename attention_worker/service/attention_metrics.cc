#include "attention_worker/service/attention_metrics.h"

#include <algorithm>
#include <chrono>

namespace sextant {
namespace {

using SteadyClock = std::chrono::steady_clock;

double SecondsSince(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

// Adds what a running total has grown by.
void Grow(Counter& counter, std::int64_t before, std::int64_t now) {
  counter.Increment(static_cast<double>(now - before));
}

std::int64_t RowsOf(const SchedulerCounts& counts) {
  return counts.prompt_rows + counts.generated_rows;
}

std::int64_t LookedUp(const SchedulerCounts& counts) {
  return counts.prompt_rows + counts.cached_rows;
}

}  // namespace

AttentionMetrics::AttentionMetrics(Metrics& metrics)
    : cache_usage_(metrics.AddGauge(kKvCacheUsage)),
      prefix_queries_(metrics.AddCounter(kPrefixCacheQueries)),
      prefix_hits_(metrics.AddCounter(kPrefixCacheHits)),
      preemptions_(metrics.AddCounter(kPreemptions)),
      step_rows_(metrics.AddHistogram(kIterationTokens)),
      step_seconds_(metrics.AddHistogram(kStepSeconds)),
      dispatch_seconds_(metrics.AddHistogram(kExchangeSeconds, {{"phase", "dispatch"}})),
      combine_seconds_(metrics.AddHistogram(kExchangeSeconds, {{"phase", "combine"}})),
      bytes_sent_(metrics.AddCounter(kExchangeBytes, {{"direction", "dispatch"}})),
      bytes_received_(metrics.AddCounter(kExchangeBytes, {{"direction", "combine"}})),
      rows_resent_(metrics.AddCounter(kRowsResent)) {}

void AttentionMetrics::OnStep(const EngineThread::StepReport& report,
                              const ExchangeCounts& exchange) {
  const EngineStats& stats = report.stats;
  cache_usage_.Set(1.0 - static_cast<double>(stats.free_blocks) /
                             static_cast<double>(std::max<std::int64_t>(stats.num_blocks, 1)));
  Grow(prefix_queries_, LookedUp(last_.rows), LookedUp(stats.rows));
  Grow(prefix_hits_, last_.rows.cached_rows, stats.rows.cached_rows);
  Grow(preemptions_, last_.rows.preemptions, stats.rows.preemptions);
  if (report.status.ok()) {
    step_rows_.Observe(static_cast<double>(RowsOf(stats.rows) - RowsOf(last_.rows)));
    step_seconds_.Observe(absl::ToDoubleSeconds(report.duration));
  }
  Grow(bytes_sent_, last_exchange_.bytes_sent, exchange.bytes_sent);
  Grow(bytes_received_, last_exchange_.bytes_received, exchange.bytes_received);
  Grow(rows_resent_, last_exchange_.rows_resent, exchange.rows_resent);
  last_ = stats;
  last_exchange_ = exchange;
}

absl::Status TimedExchange::Dispatch(const ExpertDispatch& dispatch) {
  const SteadyClock::time_point begin = SteadyClock::now();
  absl::Status status = inner_.Dispatch(dispatch);
  metrics_.dispatch_seconds().Observe(SecondsSince(begin));
  return status;
}

absl::StatusOr<ExpertOutputs> TimedExchange::Collect() {
  const SteadyClock::time_point begin = SteadyClock::now();
  absl::StatusOr<ExpertOutputs> outputs = inner_.Collect();
  metrics_.combine_seconds().Observe(SecondsSince(begin));
  return outputs;
}

}  // namespace sextant
