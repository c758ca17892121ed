// One GPU of several that compute a model together: the attention half for sequences of its own, a
// shard of the routed experts, or both. Which experts it holds changes while it computes.
//
// Memory:  all of it by plan when it is opened, as DeviceModel's; a rank that attends gives what is
//          left to its cache.
// Threads: LoadExperts and KeepExperts: any but the engine's, one at a time, also while that
//          computes. Of exchange() what its header says. The engine thread makes every other call.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
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
    bool attends = false;
    int expert_slots = 0;           // experts that are here at once; 0: it never holds any
    int most_ranks = 8;             // of an epoch that it takes part in
    std::int64_t memory_bytes = 0;  // at most; 0: what is free
    std::optional<std::int64_t> cache_tokens = std::nullopt;  // absent: all there is room for
    std::int64_t max_batch_tokens = 512;  // rows of a step of each rank that attends
    std::int64_t max_sequences = 64;      // of such a step
    int upload_threads = 1;               // that bring weights, experts that come later included
    DeviceUpload::Progress progress = nullptr;  // of what Open brings
  };

  // Brings the weights of the attention half to the GPU, and no experts. It takes part in steps
  // once exchange() has been prepared for an epoch. `model`, `checkpoint` and `link` outlive this.
  // Errors: InvalidArgument for a rank that would do nothing, those of the plan, the checkpoint and
  //         the GPU.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<DeviceRank>> Open(
      CudaBackend backend, const ModelConfig& model, const Checkpoint& checkpoint,
      ConductorLink& link, const Options& options);

  // Brings these experts to the GPU beside those that are there, as DeviceExperts::Load does:
  // before exchange() is prepared for an epoch in which they are this rank's. What came, and how
  // long it took. Errors: those of DeviceExperts::Load and of the checkpoint; nothing has changed
  // then.
  [[nodiscard]] absl::StatusOr<DeviceUpload::Totals> LoadExperts(
      absl::Span<const std::int32_t> experts);
  // Drops all others: when no epoch is in use, or will be entered, in which they are this rank's.
  void KeepExperts(absl::Span<const std::int32_t> experts);

  [[nodiscard]] RankExchange& exchange() { return *exchange_; }
  [[nodiscard]] const GpuStream& stream() const { return stream_; }

  // Of a rank that attends.
  [[nodiscard]] DeviceTransformer& transformer() { return *transformer_; }
  [[nodiscard]] LatentCache& cache() { return *cache_; }

 private:
  DeviceRank(CudaBackend backend, const ModelConfig& model, const Checkpoint& checkpoint,
             const Options& options, GpuStream stream)
      : model_(model),
        checkpoint_(checkpoint),
        options_(options),
        backend_(std::move(backend)),
        stream_(std::move(stream)) {}

  [[nodiscard]] bool holds_experts() const { return options_.expert_slots > 0; }
  [[nodiscard]] RankSender::Sizes SenderSizes() const;
  [[nodiscard]] ReceivedRows::Sizes HostSizes() const;
  [[nodiscard]] absl::Status MakePlan();
  [[nodiscard]] absl::Status LoadAttention();
  [[nodiscard]] absl::Status MakeExperts();
  [[nodiscard]] absl::Status MakeExchange(ConductorLink& link);
  [[nodiscard]] absl::Status MakeTransformer();

  const ModelConfig& model_;
  const Checkpoint& checkpoint_;
  const Options options_;
  CudaBackend backend_;
  GpuStream stream_;
  MemoryPlan plan_;  // of a rank that attends
  DeviceWeights weights_;
  std::unique_ptr<DeviceExperts> experts_;  // of one with slots, as the next two
  std::unique_ptr<DeviceUpload> expert_upload_;
  std::unique_ptr<RankHost> host_;
  std::unique_ptr<RankSender> sender_;
  std::unique_ptr<RankExchange> exchange_;
  std::unique_ptr<LatentCache> cache_;
  std::unique_ptr<DeviceTransformer> transformer_;
};

}  // namespace sextant::cli
