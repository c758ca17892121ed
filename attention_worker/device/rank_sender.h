// The attention half of a GPU that is one rank of several: which rows go where, gathered into
// slots.
//
// Memory:    of one destination's slot: rows and ids of as many rows as a step has; of all that
//            come back: one output for each choice, with the room that slots leave empty.
// Threads:   the engine thread makes every call.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/config/model_config.h"
#include "common/device/arena_carver.h"
#include "common/device/gpu.h"
#include "common/exchange/ranks/rank_sides.h"
#include "common/tensor/float_types.h"
#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant {

class RankSender final : public RowSender {
 public:
  struct Sizes {
    std::int64_t rows = 0;       // of a step in exact form, at most
    std::int64_t slot_rows = 0;  // of a slot, at most
    int destinations = 0;        // at most
  };

  // What its buffers take: for the memory plan.
  [[nodiscard]] static std::int64_t Bytes(const ModelConfig& config, const Sizes& sizes);

  // `gpu` and `kernels` outlive this. Errors: ResourceExhausted for want of memory.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<RankSender>> Create(
      const GpuStream& stream, const CudaKernels& kernels, const ModelConfig& config,
      const Sizes& sizes);

  [[nodiscard]] absl::Status Check(const RankLayout& layout) const override;
  [[nodiscard]] absl::Status Use(const RankLayout& layout, int attention) override;
  // Errors: InvalidArgument for more rows or pairs than there is room for.
  [[nodiscard]] absl::Status Pack(DeviceStream stream, const DeviceDispatch& dispatch,
                                  const RankStep& step) override;
  [[nodiscard]] std::int32_t* counts() override { return buffers_.counts; }
  [[nodiscard]] std::int32_t* overflow() override { return buffers_.overflow; }
  void AddSends(int destination, int peer, std::int64_t rows,
                std::vector<RankMessage>& sends) override;
  void AddReceives(int peer, std::int64_t first, std::int64_t pairs,
                   std::vector<RankMessage>& receives) override;
  [[nodiscard]] DeviceExpertOutputs outputs() const override {
    return {.rows = buffers_.returned, .places = buffers_.places};
  }

 private:
  // Shapes: T rows, D destinations, C rows of a slot, K chosen experts, E experts, H hidden.
  struct Buffers {
    std::int32_t* overflow = nullptr;     // one
    std::int32_t* counts = nullptr;       // [D, 2]
    ExpertSeatCuda* seats = nullptr;      // [E]
    std::int32_t* source_rows = nullptr;  // [D, C]
    std::int32_t* local_ids = nullptr;    // [D, C, K]
    std::int32_t* places = nullptr;       // [T, K]
    Bf16* rows = nullptr;                 // [D, C, H]
    Bf16* returned = nullptr;             // [pairs, H]
  };

  RankSender(const GpuStream& stream, const CudaKernels& kernels, const ModelConfig& config,
             const Sizes& sizes)
      : stream_(stream), kernels_(kernels), config_(config), sizes_(sizes) {}
  static Buffers Carve(const ModelConfig& config, const Sizes& sizes, ArenaCarver& carver);

  const GpuStream& stream_;
  const CudaKernels& kernels_;
  const ModelConfig config_;
  const Sizes sizes_;
  GpuMemory memory_;
  Buffers buffers_;
  GpuMemory pinned_;               // the host's seats
  std::int32_t destinations_ = 0;  // of the layout in use
  std::int64_t slot_rows_ = 0;     // of the rows packed last
};

}  // namespace sextant
