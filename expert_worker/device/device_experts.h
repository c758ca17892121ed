// Routed experts in a GPU's memory, in bf16, that come and go while others are computed: so many
// slots, of which each holds the three matrices of one expert in every MoE layer, or nothing. One
// stretch of memory, whose addresses never change.
//
// Shapes:    matrices are [outputs, inputs] as in the checkpoint, packed, each from a multiple of
//            256 bytes on; E routed experts.
// Ownership: owns the device's memory.
// Threads:   any thread asks what is here. One at a time makes the calls that change it, also while
//            the engine thread computes with experts that stay.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/base/mutex.h"
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
  // What so many slots take: for the memory plan.
  [[nodiscard]] static std::int64_t Bytes(const ModelConfig& config, std::int64_t slots);

  // `slots` slots, at least 0, with nothing in them. `config` outlives this.
  // Errors: ResourceExhausted when the device has less.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<DeviceExperts>> Allocate(
      GpuDriver& gpu, const ModelConfig& config, int slots);

  // Brings these experts (in [0, E), in any order) into free slots, in ascending order of both, and
  // waits until they have arrived; those that are here stay as they are. The bytes that came.
  // Errors: ResourceExhausted for more than there are free slots, NotFound where the store lacks an
  //         expert, InvalidArgument for an id out of range or weights that are not bf16, those of
  //         the upload. What is here is then what was here before.
  [[nodiscard]] absl::StatusOr<std::int64_t> Load(absl::Span<const std::int32_t> experts,
                                                  const ExpertStore& store, DeviceUpload& upload);

  // Frees the slots of these experts; those that are not here are passed over. Nothing that is on a
  // stream, or comes there, computes with them.
  void Drop(absl::Span<const std::int32_t> experts);

  // Instead of Load: random matrices of deviation 1 / sqrt(inputs) as the experts 0, 1, .. in all
  // slots, decided by `seed`, of which 32 bits count, and the model's shape; they are others than
  // the attention half has by the same seed.
  [[nodiscard]] absl::Status FillRandom(GpuDriver& gpu, const CudaKernels& kernels,
                                        std::uint64_t seed);

  [[nodiscard]] int slots() const { return slots_; }
  [[nodiscard]] std::vector<std::int32_t> Ids() const;  // of what is here, ascending
  // Absent: it is not here, or has not arrived.
  [[nodiscard]] std::optional<int> SlotOf(std::int32_t expert) const;

  // The matrices in device memory of whatever that slot holds, in a layer that has experts.
  [[nodiscard]] ExpertWeightsCuda At(int layer, int slot) const;
  [[nodiscard]] const GpuMemory& memory() const { return memory_; }

 private:
  struct Matrices {
    Bf16* gate;  // [F, H]
    Bf16* up;    // [F, H]
    Bf16* down;  // [H, F]
  };
  using Layers = std::vector<std::vector<Matrices>>;  // [num_hidden_layers, slots]; none if dense
  struct Arrival {
    std::int32_t expert;
    int slot;
  };

  DeviceExperts(const ModelConfig& config, int slots)
      : config_(config), slots_(slots), held_(static_cast<std::size_t>(slots), kNone) {}
  static Layers Carve(const ModelConfig& config, std::int64_t slots, ArenaCarver& carver);
  // Which slots the experts that are not here yet will have.
  [[nodiscard]] absl::StatusOr<std::vector<Arrival>> Place(
      absl::Span<const std::int32_t> experts) const;
  [[nodiscard]] absl::StatusOr<std::int64_t> Upload(const Arrival& arrival,
                                                    const ExpertStore& store, DeviceUpload& upload);
  [[nodiscard]] std::optional<int> Find(std::int32_t expert) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  static constexpr std::int32_t kNone = -1;

  const ModelConfig& config_;
  const int slots_;
  GpuMemory memory_;
  Layers layers_;

  mutable Mutex mutex_;
  std::vector<std::int32_t> held_ ABSL_GUARDED_BY(mutex_);  // [slots], or kNone
};

}  // namespace sextant
