// The attention half of a model on this CPU; its routed experts are computed by other workers, whom
// it reaches over gRPC as placements say.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "attention_worker/model/attention_weights.h"
#include "attention_worker/model/transformer.h"
#include "attention_worker/service/worker_model.h"
#include "common/device/stream.h"
#include "common/device/thread_pool.h"
#include "common/weights/weight_loader.h"

namespace sextant {

class SplitModel final : public WorkerModel {
 public:
  // Errors: those of ChooseBackend and of the weights; ResourceExhausted when there is no memory
  // for the cache.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<WorkerModel>> Open(
      const WorkerModelArgs& args);

  [[nodiscard]] std::vector<std::string> profiles() const override { return profiles_; }
  [[nodiscard]] LatentCache& cache() override { return *cache_; }
  [[nodiscard]] v1::Role role() const override { return v1::ROLE_ATTENTION; }
  [[nodiscard]] absl::Status Build(const std::string& profile,
                                   const std::string& worker_id) override;
  [[nodiscard]] StepModel& step_model() override { return *transformer_; }

  [[nodiscard]] absl::Status Prepare(const v1::Placement& placement) override {
    return exchange_.Prepare(placement);
  }
  void Commit(std::uint64_t epoch) override { exchange_.Commit(epoch); }
  void Supersede(std::uint64_t epoch) override { exchange_.Supersede(epoch); }
  [[nodiscard]] ExchangeCounts exchange_counts() const override { return exchange_.counts(); }
  void StopWaiting() override { exchange_.Stop(); }

 private:
  SplitModel(const WorkerModelArgs& args, std::vector<std::string> profiles);
  absl::Status Load(std::int64_t cache_tokens);

  const ModelConfig& config_;
  const Precision precision_;
  const std::vector<std::string> profiles_;
  WeightLoader loader_;
  AttentionWeights weights_;
  ThreadPool pool_;
  GrpcExchange exchange_;
  TimedExchange timed_exchange_;
  std::unique_ptr<LatentCache> cache_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Transformer> transformer_;
};

}  // namespace sextant
