// A whole model on the CPU: the halves of every layer meet at the local exchange.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "attention_worker/model/attention_weights.h"
#include "attention_worker/model/transformer.h"
#include "cli/engine/whole_model.h"
#include "common/config/model_config.h"
#include "common/device/backend.h"
#include "common/device/stream.h"
#include "common/exchange/local_exchange.h"
#include "common/tensor/precision.h"
#include "common/weights/checkpoint.h"
#include "common/weights/weight_loader.h"
#include "expert_worker/compute/stored_experts.h"
#include "expert_worker/store/expert_store.h"

namespace sextant::cli {

class HostModel final : public WholeModel {
 public:
  struct Options {
    std::int64_t threads = 0;  // 0: one for each processor
    Precision precision = Precision::kBf16;
    std::int64_t cache_tokens = 0;
  };

  // With the backend that ChooseBackend gives. No weight is read yet. `model` and `checkpoint`
  // outlive this.
  // Errors: those of the checkpoint and the backend; ResourceExhausted for want of memory.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<HostModel>> Open(const ModelConfig& model,
                                                                       const Checkpoint& checkpoint,
                                                                       const Options& options);
  // The same in two steps, for who learns the backend later: between them there is a cache alone.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<HostModel>> Load(const ModelConfig& model,
                                                                       const Checkpoint& checkpoint,
                                                                       const Options& options);
  [[nodiscard]] absl::Status Build(Backend backend);

  [[nodiscard]] StepModel& step_model() override { return *transformer_; }
  [[nodiscard]] LatentCache& cache() override { return *cache_; }
  [[nodiscard]] std::string profile() const override { return Name(stream_->backend()); }
  [[nodiscard]] std::string device() const override;
  [[nodiscard]] std::string MemoryTable() const override { return ""; }
  [[nodiscard]] std::int64_t weight_value_bytes() const override {
    return BytesOf(weights_.lm_head.dtype);
  }
  void set_routing_observer(RoutingObserver* observer) override {
    transformer_->set_routing_observer(observer);
  }
  [[nodiscard]] bool is_slow_when_observed() const override { return false; }
  [[nodiscard]] absl::StatusOr<Ceilings> MeasureCeilings() override;
  [[nodiscard]] absl::StatusOr<std::vector<KernelTime>> TimeKernels(
      const StepFacts& /*facts*/, absl::FunctionRef<absl::Status()> /*step*/) override {
    return std::vector<KernelTime>();
  }
  [[nodiscard]] absl::Status Check() override { return absl::OkStatus(); }
  [[nodiscard]] absl::StatusOr<std::int64_t> WorkspaceBytes() override;

 private:
  HostModel(const ModelConfig& model, const Checkpoint& checkpoint, const Options& options)
      : model_(model), options_(options), loader_(checkpoint, options.precision) {}
  absl::Status LoadWeights();
  absl::Status MakeCache();

  const ModelConfig& model_;
  const Options options_;
  WeightLoader loader_;
  AttentionWeights weights_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<ExpertStore> experts_;
  std::unique_ptr<StoredExperts> host_;
  std::unique_ptr<LocalExchange> exchange_;
  std::unique_ptr<LatentCache> cache_;
  std::unique_ptr<Transformer> transformer_;
};

}  // namespace sextant::cli
