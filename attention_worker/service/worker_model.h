// What an attention worker computes its sequences with: the attention half of a model, whose routed
// experts other workers compute (split_model.h), or what somebody else brings along
// (AttentionWorker::Options): a whole model, or one GPU of several that take their steps together.
//
// Threads:   one makes, builds and destroys it; between Build and the end of the engine thread that
//            one calls step_model, cache, Check and the waits of idle_wait, and nobody else does.
//            Prepare to Retire are called as those of a MemberRole (common/membership/member.h),
//            exchange_counts and StopWaiting by any thread.
#pragma once

#include <grpcpp/impl/service_type.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "attention_worker/cache/latent_cache.h"
#include "attention_worker/model/step_model.h"
#include "attention_worker/service/attention_metrics.h"
#include "attention_worker/serving/idle_wait.h"
#include "common/config/model_config.h"
#include "common/exchange/grpc_exchange.h"
#include "common/observability/log.h"
#include "common/tensor/precision.h"
#include "common/weights/checkpoint.h"
#include "proto/sextant/v1/placement.pb.h"

namespace sextant {

class WorkerModel {
 public:
  virtual ~WorkerModel() = default;

  // The numeric profiles that it can be built for, the best first; at least one.
  [[nodiscard]] virtual std::vector<std::string> profiles() const = 0;
  [[nodiscard]] virtual LatentCache& cache() = 0;
  // What the worker is to the cluster. A whole one gets no placement.
  [[nodiscard]] virtual v1::Role role() const = 0;
  // Of a rank: how it lays out what it exchanges (Hello.rank_layout). Empty: it is none.
  [[nodiscard]] virtual std::string rank_layout() const { return ""; }
  // Served beside the worker's own service, for as long as this lives.
  [[nodiscard]] virtual std::vector<grpc::Service*> services() { return {}; }

  // Readies it for one of its profiles, once. `worker_id` is its name in placements.
  [[nodiscard]] virtual absl::Status Build(const std::string& profile,
                                           const std::string& worker_id) = 0;
  // After Build.
  [[nodiscard]] virtual StepModel& step_model() = 0;
  // After Build: where the engine thread waits without sequences, for as long as the model lives.
  // Null: others want nothing of it meanwhile.
  [[nodiscard]] virtual IdleWait* idle_wait() { return nullptr; }
  // After a step, or an idle wait, that failed: OK, or why no other one can succeed any more.
  [[nodiscard]] virtual absl::Status Check() { return absl::OkStatus(); }

  // Those of a MemberRole. Errors of Prepare: FailedPrecondition for a whole worker.
  [[nodiscard]] virtual absl::Status Prepare(const v1::Placement& placement);
  virtual void Commit(std::uint64_t /*epoch*/) {}
  virtual void Supersede(std::uint64_t /*epoch*/) {}
  virtual void Halt(std::uint64_t /*before*/) {}
  virtual void Retire(std::uint64_t /*epoch*/) {}

  // Of rows that went to other workers, since the beginning.
  [[nodiscard]] virtual ExchangeCounts exchange_counts() const { return {}; }
  // From now on what waits for other workers, a step or an idle wait, fails or returns instead.
  virtual void StopWaiting() {}
};

struct WorkerModelArgs {
  const ModelConfig& config;     // this and the next outlive the model
  const Checkpoint& checkpoint;  // fits `config`
  AttentionMetrics& metrics;     // so do these
  Logger log;
  int threads = 1;
  Precision precision = Precision::kBf16;
  std::int64_t cache_tokens = 0;  // 0: as many as the maker of the model thinks right
  std::int64_t max_batch_tokens = 0;
  std::int64_t max_sequences = 0;
};

using OpenWorkerModel =
    std::function<absl::StatusOr<std::unique_ptr<WorkerModel>>(const WorkerModelArgs& args)>;

}  // namespace sextant
