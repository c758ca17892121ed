// The status of a cluster with one worker of each kind, for tests of what people are shown.
#pragma once

#include "proto/sextant/v1/admin.pb.h"

namespace sextant {

// Eight experts, which the expert worker holds; it has been silent for a moment.
inline v1::ClusterStatus SmallClusterStatus() {
  v1::ClusterStatus status;
  status.set_version("0.1.0");
  status.set_phase("steady");
  status.set_epoch(4);
  status.set_experts_covered(8);
  status.set_uptime_seconds(192.7);
  status.set_numeric_profile("cpu-avx2");
  status.mutable_model()->set_dtype("bf16");
  status.mutable_model()->set_num_experts(8);
  status.mutable_queue()->set_queued(2);
  status.mutable_queue()->set_capacity(256);
  v1::WorkerStatus& attention = *status.add_workers();
  attention.set_role(v1::ROLE_ATTENTION);
  attention.set_worker_id("attention-box-1-aa");
  attention.set_target("unix:/run/a");
  attention.set_state("ready");
  attention.set_epoch(4);
  attention.set_cache_blocks(200);
  attention.set_free_blocks(150);
  attention.set_running(3);
  attention.set_tokens_per_second(41.25);
  v1::WorkerStatus& expert = *status.add_workers();
  expert.set_role(v1::ROLE_EXPERT);
  expert.set_worker_id("expert-box-2-bb");
  expert.set_target("unix:/run/e");
  expert.set_state("silent");
  expert.set_silent_seconds(0.62);
  expert.set_epoch(4);
  for (int i = 0; i < 8; ++i) expert.add_experts(i);
  status.add_events("2026-01-01T00:00:00.000Z something happened");
  return status;
}

// The same without those two, and with one whole worker.
inline v1::ClusterStatus WholeClusterStatus() {
  v1::ClusterStatus status = SmallClusterStatus();
  status.clear_workers();
  status.set_epoch(0);
  status.set_numeric_profile("cuda");
  v1::WorkerStatus& whole = *status.add_workers();
  whole.set_role(v1::ROLE_WHOLE);
  whole.set_worker_id("whole-box-3-cc");
  whole.set_target("unix:/run/w");
  whole.set_state("ready");
  whole.set_cache_blocks(1000);
  whole.set_free_blocks(900);
  whole.set_running(8);
  whole.set_tokens_per_second(2000);
  return status;
}

// The first one's as ranks: with a colocated worker, which has half of the experts, in the place of
// the attention worker.
inline v1::ClusterStatus RanksStatus() {
  v1::ClusterStatus status = SmallClusterStatus();
  status.set_ranks(true);
  v1::WorkerStatus& colocated = *status.mutable_workers(0);
  colocated.set_role(v1::ROLE_COLOCATED);
  colocated.set_worker_id("colocated-box-4-dd");
  v1::WorkerStatus& expert = *status.mutable_workers(1);
  expert.set_state("ready");
  expert.clear_experts();
  for (int i = 0; i < 4; ++i) colocated.add_experts(i);
  for (int i = 4; i < 8; ++i) expert.add_experts(i);
  return status;
}

}  // namespace sextant
