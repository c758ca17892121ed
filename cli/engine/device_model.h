// A whole model on one GPU: both halves of every layer, exchanging in place.
//
// Memory: all of it by plan when it is opened (attention_worker/device/memory_plan.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "attention_worker/device/device_transformer.h"
#include "attention_worker/device/device_weights.h"
#include "attention_worker/device/memory_plan.h"
#include "cli/engine/whole_model.h"
#include "common/config/model_config.h"
#include "common/device/gpu.h"
#include "common/weights/checkpoint.h"
#include "common/weights/device_upload.h"
#include "expert_worker/device/device_experts.h"
#include "expert_worker/device/local_device_exchange.h"
#include "kernels/cuda_module/cuda_backend.h"

namespace sextant::cli {

// OpenCuda, or what stands in for it.
using OpenGpu = std::function<absl::StatusOr<CudaBackend>(int number)>;

class DeviceModel final : public WholeModel {
 public:
  struct Options {
    std::int64_t memory_bytes = 0;                            // at most; 0: what is free
    std::optional<std::int64_t> cache_tokens = std::nullopt;  // absent: all there is room for
    std::int64_t max_batch_tokens = 512;
    std::int64_t max_sequences = 64;  // of a step, and as many rows of logits
    int upload_threads = 1;
    DeviceUpload::Progress progress = nullptr;
  };

  // Whether there are kernels for a model of these widths. Errors: InvalidArgument naming the
  // width.
  [[nodiscard]] static absl::Status CheckWidths(const ModelConfig& model);

  // Brings the weights of `checkpoint` to the GPU, or fills random ones of the model's shape where
  // it is null. `model` outlives this.
  // Errors: those of the plan, the checkpoint and the GPU.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<DeviceModel>> Open(
      CudaBackend backend, const ModelConfig& model, const Checkpoint* checkpoint,
      const Options& options);

  [[nodiscard]] StepModel& step_model() override { return *transformer_; }
  [[nodiscard]] LatentCache& cache() override { return *cache_; }
  [[nodiscard]] std::string profile() const override { return "cuda"; }
  [[nodiscard]] std::string device() const override { return info_.name; }
  [[nodiscard]] std::string MemoryTable() const override;
  [[nodiscard]] std::int64_t weight_value_bytes() const override { return sizeof(Bf16); }
  void set_routing_observer(RoutingObserver* observer) override {
    transformer_->set_routing_observer(observer);
  }
  [[nodiscard]] bool is_slow_when_observed() const override { return true; }
  [[nodiscard]] absl::StatusOr<Ceilings> MeasureCeilings() override;
  [[nodiscard]] absl::StatusOr<std::vector<KernelTime>> TimeKernels(
      const StepFacts& facts, absl::FunctionRef<absl::Status()> step) override;
  // What CUDA has found wrong with the GPU comes back with every later call.
  [[nodiscard]] absl::Status Check() override { return stream_.Synchronize(); }
  [[nodiscard]] absl::StatusOr<std::int64_t> WorkspaceBytes() override;

  [[nodiscard]] const MemoryPlan& plan() const { return plan_; }
  // How the weights came; no bytes where they are random.
  [[nodiscard]] const DeviceUpload::Totals& upload() const { return upload_; }
  [[nodiscard]] std::int64_t graph_steps() const { return transformer_->graph_steps(); }

 private:
  DeviceModel(CudaBackend backend, const ModelConfig& model, GpuStream stream)
      : model_(model),
        backend_(std::move(backend)),
        kernels_(*backend_.kernels),
        stream_(std::move(stream)) {}

  [[nodiscard]] absl::Status MakePlan(const Options& options);
  [[nodiscard]] absl::Status LoadWeights(const Checkpoint* checkpoint, const Options& options);
  [[nodiscard]] absl::Status MakeTransformer();

  const ModelConfig& model_;
  CudaBackend backend_;
  CudaKernels kernels_;  // those of the backend, or the same under a clock
  GpuStream stream_;
  GpuInfo info_;
  MemoryPlan plan_;
  DeviceUpload::Totals upload_;
  DeviceWeights weights_;
  std::unique_ptr<DeviceExperts> experts_;
  std::unique_ptr<LocalDeviceExchange> exchange_;
  std::unique_ptr<LatentCache> cache_;
  std::unique_ptr<DeviceTransformer> transformer_;
};

}  // namespace sextant::cli
