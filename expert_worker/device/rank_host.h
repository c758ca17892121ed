// The expert half of a GPU that is one rank of several: computes the rows that other ranks have
// sent, and puts the outputs in the order in which they wait for them.
//
// The experts of a layout may be in any slots of the GPU. Senders count them as the layout does;
// Use makes a list of their slots in that order, which the kernels read.
//
// Threads:   Check: any. The engine thread makes every other call.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/config/model_config.h"
#include "common/device/arena_carver.h"
#include "common/device/gpu.h"
#include "common/exchange/ranks/rank_sides.h"
#include "common/tensor/float_types.h"
#include "expert_worker/device/device_experts.h"
#include "expert_worker/device/grouped_experts.h"
#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant {

class RankHost final : public RowHost {
 public:
  struct Sizes {
    std::int64_t rows = 0;   // of all sources together, at most; slots count whole
    std::int64_t pairs = 0;  // likewise
    int sources = 0;         // at most
  };

  // Room for so many attention ranks, none of which sends more than these rows: in exact form, and
  // in slots.
  [[nodiscard]] static Sizes SizesFor(const ModelConfig& config, int sources, std::int64_t rows,
                                      std::int64_t slot_rows);
  // What its buffers take for so many slots of experts: for the memory plan.
  [[nodiscard]] static std::int64_t Bytes(const ModelConfig& config, std::int64_t slots,
                                          const Sizes& sizes);

  // `stream`, `kernels` and `experts` outlive this. An expert of a layout that has been checked
  // stays until a later one is in use. Errors: ResourceExhausted for want of memory.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<RankHost>> Create(
      const GpuStream& stream, const CudaKernels& kernels, const ModelConfig& config,
      const DeviceExperts& experts, const Sizes& sizes);

  [[nodiscard]] absl::Status Check(const RankLayout& layout, int destination) const override;
  [[nodiscard]] absl::Status Use(const RankLayout& layout, int destination) override;
  [[nodiscard]] absl::Status ExpectSlots(const RankStep& step) override;
  [[nodiscard]] absl::Status ExpectExactly(DeviceStream stream,
                                           absl::Span<const RankCounts> counts) override;
  void AddReceives(int peer, std::int64_t first, std::int64_t rows,
                   std::vector<RankMessage>& receives) override;
  [[nodiscard]] absl::Status Compute(DeviceStream stream, int layer) override;
  void AddSends(int peer, std::int64_t first, std::int64_t pairs,
                std::vector<RankMessage>& sends) override;

 private:
  // Shapes: A sources, R rows and P pairs of all sources, K chosen experts, H hidden.
  struct Buffers {
    std::int32_t* first_rows = nullptr;     // [A + 1]
    std::int32_t* first_pairs = nullptr;    // [A + 1]
    std::int32_t* ids = nullptr;            // [R, K]
    std::int32_t* source_places = nullptr;  // [P]
    Bf16* rows = nullptr;                   // [R, H]
    Bf16* returning = nullptr;              // [P, H]
  };
  // What comes in a layer.
  struct Expected {
    bool exact = false;
    std::int64_t rows = 0;        // of all sources
    std::int64_t pairs = 0;       // likewise
    std::int64_t slot_rows = 0;   // unless exact
    std::int64_t slot_pairs = 0;  // likewise
  };

  RankHost(const GpuStream& stream, const CudaKernels& kernels, const ModelConfig& config,
           const DeviceExperts& experts, const Sizes& sizes)
      : stream_(stream), kernels_(kernels), config_(config), experts_(experts), sizes_(sizes) {}
  static Buffers Carve(const ModelConfig& config, const Sizes& sizes, ArenaCarver& carver);
  [[nodiscard]] absl::Status CheckRoom(std::int64_t rows, std::int64_t pairs) const;

  const GpuStream& stream_;
  const CudaKernels& kernels_;
  const ModelConfig config_;
  const DeviceExperts& experts_;
  const Sizes sizes_;
  GpuMemory memory_;
  Buffers buffers_;
  std::optional<GroupedExperts> grouped_;
  GpuMemory pinned_;          // the host's first_rows and first_pairs
  std::int32_t sources_ = 0;  // of the layout in use
  Expected expected_;
};

}  // namespace sextant
