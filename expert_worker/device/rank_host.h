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
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/config/model_config.h"
#include "common/device/gpu.h"
#include "common/exchange/ranks/rank_sides.h"
#include "expert_worker/device/device_experts.h"
#include "expert_worker/device/grouped_experts.h"
#include "expert_worker/device/received_rows.h"
#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant {

class RankHost final : public RowHost {
 public:
  // What its buffers take for so many slots of experts: for the memory plan.
  [[nodiscard]] static std::int64_t Bytes(const ModelConfig& config, std::int64_t slots,
                                          const ReceivedRows::Sizes& sizes);

  // `stream`, `kernels` and `experts` outlive this. An expert of a layout that has been checked
  // stays until a later one is in use. Errors: ResourceExhausted for want of memory.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<RankHost>> Create(
      const GpuStream& stream, const CudaKernels& kernels, const ModelConfig& config,
      const DeviceExperts& experts, const ReceivedRows::Sizes& sizes);

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
  RankHost(const GpuStream& stream, const DeviceExperts& experts, GpuMemory memory,
           ReceivedRows received, GroupedExperts grouped)
      : stream_(stream),
        experts_(experts),
        memory_(std::move(memory)),
        received_(std::move(received)),
        grouped_(std::move(grouped)) {}

  const GpuStream& stream_;
  const DeviceExperts& experts_;
  GpuMemory memory_;  // of the two below
  ReceivedRows received_;
  GroupedExperts grouped_;
};

}  // namespace sextant
