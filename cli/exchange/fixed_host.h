// The expert half of a rank without its experts: RankHost (expert_worker/device) but for grouping
// rows and computing them. Each expert gives a vector of its own, whatever the row, so
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
#include "common/device/gpu.h"
#include "common/exchange/ranks/rank_sides.h"
#include "common/tensor/float_types.h"
#include "expert_worker/device/received_rows.h"
#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant::cli {

class FixedHost final : public RowHost {
 public:
  using Note = std::function<absl::Status(DeviceStream stream)>;

  // `outputs`: [experts, H], of this rank's experts in their order. `stream` and `kernels` outlive
  // this. Errors: ResourceExhausted for want of memory.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<FixedHost>> Create(
      const GpuStream& stream, const CudaKernels& kernels, const ModelConfig& model,
      absl::Span<const Bf16> outputs, const ReceivedRows::Sizes& sizes);

  // Called in each layer as soon as its rows are there; null: nobody asks.
  void OnRows(Note note) { note_ = std::move(note); }

  // What came in the last layer.
  [[nodiscard]] const ReceivedRows& received() const { return received_; }

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
  FixedHost(GpuMemory memory, ReceivedRows received, const Bf16* outputs, std::int64_t experts)
      : memory_(std::move(memory)),
        received_(std::move(received)),
        outputs_(outputs),
        experts_(experts) {}

  GpuMemory memory_;  // of the two below
  ReceivedRows received_;
  const Bf16* const outputs_;  // [experts, H]
  const std::int64_t experts_;
  Note note_;
};

}  // namespace sextant::cli
