// The expert half of a rank without its experts: what RankHost does (expert_worker/device) but for
// grouping rows and computing them. Each expert gives a vector of its own, whatever the row, so
// that no weights are needed and the sender can tell whether the right one has come back.
//
// A layer costs what messages cost, and the kernels that put outputs in the order of pairs. These
// read a table of one vector for each expert, where RankHost's read as much as they write.
//
// Threads:   the engine thread makes every call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/config/model_config.h"
#include "common/device/arena_carver.h"
#include "common/device/gpu.h"
#include "common/exchange/ranks/rank_sides.h"
#include "common/tensor/float_types.h"
#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant::cli {

class FixedHost final : public RowHost {
 public:
  struct Sizes {
    int sources = 0;        // at most
    std::int64_t rows = 0;  // of each source, at most
  };
  using Note = std::function<absl::Status(DeviceStream stream)>;

  // `outputs`: [experts, H], of this rank's experts in their order. `stream` and `kernels` outlive
  // this. Errors: ResourceExhausted for want of memory.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<FixedHost>> Create(
      const GpuStream& stream, const CudaKernels& kernels, const ModelConfig& model,
      absl::Span<const Bf16> outputs, const Sizes& sizes);

  // Called in each layer as soon as its rows are there; null: nobody asks.
  void OnRows(Note note) { note_ = std::move(note); }

  // What came in the last layer: rows of all sources one after another, and where those of each
  // begin. [R, H] on the device.
  [[nodiscard]] const Bf16* rows() const { return buffers_.rows; }
  [[nodiscard]] absl::Span<const std::int64_t> first_rows() const { return first_rows_; }

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
  // Shapes: A sources, R rows and P pairs of all sources, K chosen experts, D experts here.
  struct Buffers {
    std::int32_t* first_rows = nullptr;      // [A + 1]
    std::int32_t* first_pairs = nullptr;     // [A + 1]
    std::int32_t* ids = nullptr;             // [R, K]
    std::int32_t* source_experts = nullptr;  // [P]
    Bf16* rows = nullptr;                    // [R, H]
    Bf16* returning = nullptr;               // [P, H]
    Bf16* outputs = nullptr;                 // [D, H]
  };

  FixedHost(const GpuStream& stream, const CudaKernels& kernels, const ModelConfig& model,
            std::int64_t experts, const Sizes& sizes)
      : stream_(stream), kernels_(kernels), model_(model), experts_(experts), sizes_(sizes) {}
  Buffers Carve(ArenaCarver& carver) const;
  [[nodiscard]] absl::Status CheckRoom(std::int64_t rows, std::int64_t pairs) const;
  [[nodiscard]] std::int64_t most_rows() const { return sizes_.sources * sizes_.rows; }
  [[nodiscard]] std::int64_t most_pairs() const { return most_rows() * model_.num_experts_per_tok; }

  const GpuStream& stream_;
  const CudaKernels& kernels_;
  const ModelConfig model_;
  const std::int64_t experts_;
  const Sizes sizes_;
  GpuMemory memory_;
  Buffers buffers_;
  GpuMemory pinned_;  // the host's first_rows and first_pairs
  Note note_;
  std::int32_t sources_ = 0;              // of the layout in use
  bool exact_ = false;                    // what comes
  RankStep slots_;                        // unless exact
  std::int64_t pairs_ = 0;                // of all sources
  std::vector<std::int64_t> first_rows_;  // [A + 1]
};

}  // namespace sextant::cli
