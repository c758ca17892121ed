// What the router counts about requests, for its metrics page.
#pragma once

#include "common/observability/metrics.h"

namespace sextant::router {

// References into `metrics`, which outlives this.
struct RequestMetrics {
  explicit RequestMetrics(Metrics& metrics);

  Gauge& running;
  Gauge& waiting;
  Counter& stopped;
  Counter& full_length;
  Counter& aborted;
  Counter& prompt_tokens;
  Counter& generation_tokens;
  Histogram& first_token_seconds;
  Histogram& inter_token_seconds;
  Histogram& request_seconds;
  Histogram& queue_seconds;
  Histogram& request_prompt_tokens;
  Histogram& request_generation_tokens;
  Counter& queue_full;
  Counter& shutting_down;
  Counter& invalid;
  Counter& no_attention_worker;  // after they had waited for one
  Counter& no_expert_worker;
  Counter& migrations;
  Histogram& stall_seconds;
};

}  // namespace sextant::router
