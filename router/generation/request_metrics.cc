#include "router/generation/request_metrics.h"

namespace sextant::router {
namespace {

Counter& Ended(Metrics& metrics, const char* reason) {
  return metrics.AddCounter(kRequestSuccess, {{"finished_reason", reason}});
}

Counter& Rejected(Metrics& metrics, const char* reason) {
  return metrics.AddCounter(kRejections, {{"reason", reason}});
}

}  // namespace

RequestMetrics::RequestMetrics(Metrics& metrics)
    : running(metrics.AddGauge(kNumRequestsRunning)),
      waiting(metrics.AddGauge(kNumRequestsWaiting)),
      stopped(Ended(metrics, "stop")),
      full_length(Ended(metrics, "length")),
      aborted(Ended(metrics, "abort")),
      prompt_tokens(metrics.AddCounter(kPromptTokens)),
      generation_tokens(metrics.AddCounter(kGenerationTokens)),
      first_token_seconds(metrics.AddHistogram(kTimeToFirstToken)),
      inter_token_seconds(metrics.AddHistogram(kInterTokenLatency)),
      request_seconds(metrics.AddHistogram(kRequestLatency)),
      queue_seconds(metrics.AddHistogram(kRequestQueueTime)),
      request_prompt_tokens(metrics.AddHistogram(kRequestPromptTokens)),
      request_generation_tokens(metrics.AddHistogram(kRequestGenerationTokens)),
      queue_full(Rejected(metrics, "QUEUE_FULL")),
      shutting_down(Rejected(metrics, "SHUTTING_DOWN")),
      invalid(Rejected(metrics, "INVALID_ARGUMENT")),
      no_attention_worker(Rejected(metrics, "NO_ATTENTION_WORKER")),
      no_expert_worker(Rejected(metrics, "NO_EXPERT_WORKER")),
      migrations(metrics.AddCounter(kMigrations)),
      stall_seconds(metrics.AddHistogram(kStallSeconds)) {}

}  // namespace sextant::router
