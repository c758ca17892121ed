// One GPU of several that compute a model together: the attention half for sequences of its own, a
// shard of the routed experts, or both.
//
// Memory: all of it by plan when it is opened, as DeviceModel's; a rank that attends gives what is
//         left to its cache.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "attention_worker/cache/latent_cache.h"
#include "attention_worker/device/device_transformer.h"
#include "attention_worker/device/device_weights.h"
#include "attention_worker/device/memory_plan.h"
#include "attention_worker/device/rank_sender.h"
#include "common/config/model_config.h"
#include "common/device/gpu.h"
#include "common/exchange/ranks/rank_exchange.h"
#include "common/weights/checkpoint.h"
#include "common/weights/device_upload.h"
#include "expert_worker/device/device_experts.h"
#include "expert_worker/device/rank_host.h"
#include "kernels/cuda_module/cuda_backend.h"

namespace sextant::cli {

class DeviceRank {
 public:
  struct Options {
    RankRole role = {};
    int most_ranks = 8;                                       // of an epoch that it takes part in
    std::int64_t memory_bytes = 0;                            // at most; 0: what is free
    std::optional<std::int64_t> cache_tokens = std::nullopt;  // absent: all there is room for
    std::int64_t max_batch_tokens = 512;  // rows of a step of each rank that attends
    std::int64_t max_sequences = 64;      // of such a step
    int upload_threads = 1;
    DeviceUpload::Progress progress = nullptr;
  };

  // Brings its weights to the GPU. It takes part in steps once exchange() has been prepared for an
  // epoch. `model` and `link` outlive this.
  // Errors: those of the plan, the checkpoint and the GPU.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<DeviceRank>> Open(
      CudaBackend backend, const ModelConfig& model, const Checkpoint& checkpoint,
      ConductorLink& link, const Options& options);

  [[nodiscard]] RankExchange& exchange() { return *exchange_; }
  [[nodiscard]] const GpuStream& stream() const { return stream_; }

  // Of a rank that attends.
  [[nodiscard]] DeviceTransformer& transformer() { return *transformer_; }
  [[nodiscard]] LatentCache& cache() { return *cache_; }

 private:
  DeviceRank(CudaBackend backend, const ModelConfig& model, const Options& options,
             GpuStream stream)
      : model_(model),
        options_(options),
        backend_(std::move(backend)),
        stream_(std::move(stream)) {}

  [[nodiscard]] bool attends() const { return options_.role.attends; }
  [[nodiscard]] bool holds_experts() const { return !options_.role.experts.empty(); }
  [[nodiscard]] RankSender::Sizes SenderSizes() const;
  [[nodiscard]] RankHost::Sizes HostSizes() const;
  [[nodiscard]] absl::Status MakePlan();
  [[nodiscard]] absl::Status LoadWeights(const Checkpoint& checkpoint);
  [[nodiscard]] absl::Status MakeExchange(ConductorLink& link);
  [[nodiscard]] absl::Status MakeTransformer();

  const ModelConfig& model_;
  const Options options_;
  CudaBackend backend_;
  GpuStream stream_;
  MemoryPlan plan_;  // of a rank that attends
  DeviceWeights weights_;
  std::optional<DeviceExperts> experts_;
  std::unique_ptr<RankSender> sender_;
  std::unique_ptr<RankHost> host_;
  std::unique_ptr<RankExchange> exchange_;
  std::unique_ptr<LatentCache> cache_;
  std::unique_ptr<DeviceTransformer> transformer_;
};

}  // namespace sextant::cli
