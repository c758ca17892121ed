// What a GPU with experts receives and returns as one rank of several: rows of all that send, and
// outputs in the order in which they wait for them. It knows messages, and no experts.
//
// Threads:   CheckSources: any. The engine thread makes every other call.
#pragma once

#include <cstdint>
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

namespace sextant {

class ReceivedRows {
 public:
  struct Sizes {
    std::int64_t rows = 0;   // of all sources together, at most; slots count whole
    std::int64_t pairs = 0;  // likewise
    int sources = 0;         // at most
  };
  // Shapes: K chosen experts, H hidden. On the device.
  struct Outputs {
    const std::int32_t* places = nullptr;  // [R, K] the row of `table` for each choice; -1: none
    const Bf16* table = nullptr;           // [table_rows, H]
    std::int64_t table_rows = 0;
  };

  // Room for so many attention ranks, none of which sends more than these rows: in exact form, and
  // in slots.
  [[nodiscard]] static Sizes SizesFor(const ModelConfig& config, int sources, std::int64_t rows,
                                      std::int64_t slot_rows);
  // What its buffers take of the device's memory.
  [[nodiscard]] static std::int64_t Bytes(const ModelConfig& config, const Sizes& sizes);

  // `carver` has so many bytes, which outlive this, as do `stream` and `kernels`.
  // Errors: ResourceExhausted for want of pinned memory.
  [[nodiscard]] static absl::StatusOr<ReceivedRows> Create(const GpuStream& stream,
                                                           const CudaKernels& kernels,
                                                           const ModelConfig& config,
                                                           const Sizes& sizes, ArenaCarver& carver);

  // Errors: InvalidArgument for more sources than there is room for.
  [[nodiscard]] absl::Status CheckSources(const RankLayout& layout) const;
  void Use(const RankLayout& layout);

  // As of RowHost.
  [[nodiscard]] absl::Status ExpectSlots(const RankStep& step);
  [[nodiscard]] absl::Status ExpectExactly(DeviceStream stream,
                                           absl::Span<const RankCounts> counts);
  void AddReceives(int peer, std::int64_t first, std::int64_t rows,
                   std::vector<RankMessage>& receives) const;
  void AddSends(int peer, std::int64_t first, std::int64_t pairs,
                std::vector<RankMessage>& sends) const;

  // What has come: R rows [R, H] and the experts that they chose [R, K], on the device; those of
  // source a begin at first_rows()[a], and the last entry is R.
  [[nodiscard]] const Bf16* rows() const { return buffers_.rows; }
  [[nodiscard]] const std::int32_t* ids() const { return buffers_.ids; }
  [[nodiscard]] absl::Span<const std::int64_t> first_rows() const { return first_rows_; }
  [[nodiscard]] std::int64_t count() const { return first_rows_.back(); }

  // Puts the outputs of these rows in the order of their senders' pairs.
  [[nodiscard]] absl::Status Return(DeviceStream stream, const Outputs& outputs) const;

 private:
  // Shapes: A sources, R rows and P pairs of all sources.
  struct Buffers {
    std::int32_t* first_rows = nullptr;     // [A + 1]
    std::int32_t* first_pairs = nullptr;    // [A + 1]
    std::int32_t* ids = nullptr;            // [R, K]
    std::int32_t* source_places = nullptr;  // [P]
    Bf16* rows = nullptr;                   // [R, H]
    Bf16* returning = nullptr;              // [P, H]
  };

  ReceivedRows(const GpuStream& stream, const CudaKernels& kernels, const ModelConfig& config,
               const Sizes& sizes, const Buffers& buffers, GpuMemory pinned)
      : stream_(stream),
        kernels_(kernels),
        config_(config),
        sizes_(sizes),
        buffers_(buffers),
        pinned_(std::move(pinned)) {}
  static Buffers Carve(const ModelConfig& config, const Sizes& sizes, ArenaCarver& carver);
  [[nodiscard]] absl::Status CheckRoom() const;

  const GpuStream& stream_;
  const CudaKernels& kernels_;
  const ModelConfig config_;
  const Sizes sizes_;
  const Buffers buffers_;
  GpuMemory pinned_;          // the host's first_rows and first_pairs
  std::int32_t sources_ = 0;  // of the layout in use

  // Of the layer that comes.
  bool exact_ = false;
  RankStep slots_;                              // unless exact
  std::vector<std::int64_t> first_rows_ = {0};  // [A + 1]
  std::int64_t pairs_ = 0;                      // of all sources
};

}  // namespace sextant
