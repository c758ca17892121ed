// The routed experts of one GPU at work on rows that are there: groups them by expert, and runs
// each expert on its group. Rows name experts by their places in a list, which says in which slots
// of the GPU these are.
//
// Threads:   the engine thread makes every call.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/config/model_config.h"
#include "common/device/arena_carver.h"
#include "common/device/gpu.h"
#include "common/tensor/float_types.h"
#include "expert_worker/device/device_experts.h"
#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant {

// Shapes: T rows, H hidden, K chosen experts. Pointers are to device memory.
struct HeldRows {
  int layer = 0;                            // index in the model, 0-based
  const Bf16* rows = nullptr;               // [T, H]
  const std::int32_t* local_ids = nullptr;  // [T, K] places in the list of experts; -1: no expert's
  std::int64_t count = 0;                   // T
  const std::int32_t* live = nullptr;       // rows from this on are nobody's; null: all are live
};

class GroupedExperts {
 public:
  // Carves workspaces for at most `max_rows` rows, and for lists as long as there are slots.
  // `kernels` and `experts` outlive this.
  GroupedExperts(const CudaKernels& kernels, const ModelConfig& config,
                 const DeviceExperts& experts, std::int64_t max_rows, ArenaCarver& carver);
  // What that takes: for the memory plan.
  [[nodiscard]] static std::int64_t Bytes(const ModelConfig& config, std::int64_t slots,
                                          std::int64_t max_rows);

  // From the next Run on this is the list; graphs that were captured before are of the one before.
  // The experts stay where they are until there is another one. Waits for the stream.
  // Errors: FailedPrecondition for an expert that is not on the GPU.
  [[nodiscard]] absl::Status Use(const GpuStream& stream, absl::Span<const std::int32_t> experts);

  // Puts the work on the stream.
  // Errors: InvalidArgument for more rows than max_rows, or a layer without experts.
  [[nodiscard]] absl::Status Run(DeviceStream stream, const HeldRows& rows);

  // After Run: one output for each place, and the place of each choice, or -1.
  [[nodiscard]] const Bf16* outputs() const { return workspace_.outputs; }
  [[nodiscard]] const std::int32_t* places() const { return workspace_.places; }
  [[nodiscard]] std::int64_t most_places() const { return max_rows_ * config_.num_experts_per_tok; }

 private:
  // Shapes: S = max_rows * K places, E experts at most, L layers.
  struct Workspace {
    ExpertWeightsCuda* lists = nullptr;   // [L, E] those of the list; nothing for dense layers
    std::int32_t* offsets = nullptr;      // [E + 1] expert e has places offsets[e] ...
    std::int32_t* source_rows = nullptr;  // [S] the row of each place
    std::int32_t* places = nullptr;       // [S] the place of each slot
    Bf16* gated = nullptr;                // [S, F]
    Bf16* outputs = nullptr;              // [S, H]
  };
  static Workspace Carve(const ModelConfig& config, std::int64_t slots, std::int64_t max_rows,
                         ArenaCarver& carver);

  const CudaKernels& kernels_;
  const ModelConfig config_;
  const DeviceExperts& experts_;
  std::int64_t max_rows_;
  Workspace workspace_;
  std::int32_t num_experts_ = 0;  // in the list
};

}  // namespace sextant
