// Routed experts on a GPU, in bf16: for each MoE layer and held expert the three matrices of its
// feed-forward network, and for each layer the list of them that kernels read. One stretch of
// memory.
//
// Shapes:    matrices are [outputs, inputs] as in the checkpoint, packed, each from a multiple of
//            256 bytes on.
// Ownership: owns the device's memory; the lists live as long as it does.
// Threads:   one fills it; then immutable, and any thread may read.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/config/model_config.h"
#include "common/device/arena_carver.h"
#include "common/device/gpu.h"
#include "common/tensor/float_types.h"
#include "common/weights/device_upload.h"
#include "expert_worker/store/expert_store.h"
#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant {

class DeviceExperts {
 public:
  // What so many experts take: for the memory plan.
  [[nodiscard]] static std::int64_t Bytes(const ModelConfig& config, std::int64_t experts);

  // Room for `experts` (ids in [0, E), ascending) in every MoE layer, with nothing in it.
  // Errors: ResourceExhausted when the device has less.
  [[nodiscard]] static absl::StatusOr<DeviceExperts> Allocate(GpuDriver& gpu,
                                                              const ModelConfig& config,
                                                              std::vector<std::int32_t> experts);

  // Both have happened once upload.Finish() has returned. Errors: those of the upload; NotFound
  // where the store lacks an expert; InvalidArgument for weights that are not bf16.
  [[nodiscard]] absl::Status Upload(const ExpertStore& store, DeviceUpload& upload);

  // Random matrices of deviation 1 / sqrt(inputs), decided by `seed`, of which 32 bits count, and
  // the model's shape; they are others than the attention half has by the same seed.
  [[nodiscard]] absl::Status FillRandom(GpuDriver& gpu, const CudaKernels& kernels,
                                        std::uint64_t seed, DeviceUpload& upload);

  // In device memory: the experts of a layer in the order of ids(); null for a layer without.
  [[nodiscard]] const ExpertWeightsCuda* Layer(int layer) const;
  [[nodiscard]] absl::Span<const std::int32_t> ids() const { return ids_; }
  [[nodiscard]] const GpuMemory& memory() const { return memory_; }

 private:
  struct Matrices {
    Bf16* gate;  // [F, H]
    Bf16* up;    // [F, H]
    Bf16* down;  // [H, F]
  };
  struct LayerExperts {
    ExpertWeightsCuda* list = nullptr;  // [held], on the device; null: a dense layer
    std::vector<Matrices> experts;      // [held]
  };

  DeviceExperts(const ModelConfig& config, std::vector<std::int32_t> experts)
      : hidden_(config.hidden_size),
        width_(config.moe_intermediate_size),
        ids_(std::move(experts)) {}
  static std::vector<LayerExperts> Carve(const ModelConfig& config, std::int64_t experts,
                                         ArenaCarver& carver);
  [[nodiscard]] absl::Status UploadLists(DeviceUpload& upload);

  std::int64_t hidden_;
  std::int64_t width_;
  std::vector<std::int32_t> ids_;
  GpuMemory memory_;
  std::vector<LayerExperts> layers_;  // [num_hidden_layers]
};

}  // namespace sextant
