// The exchange of one GPU: groups the rows by expert and runs the experts where the attention half
// is, in device memory; nothing is copied.
//
// Threads:   the engine thread makes every call.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/config/model_config.h"
#include "common/device/arena_carver.h"
#include "common/device/gpu.h"
#include "common/exchange/device_exchange.h"
#include "expert_worker/device/device_experts.h"
#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant {

class LocalDeviceExchange final : public DeviceExchange {
 public:
  // What its workspaces for `max_rows` tokens take: for the memory plan.
  [[nodiscard]] static std::int64_t Bytes(const ModelConfig& config, std::int64_t max_rows);

  // `kernels` and `experts`, which holds all of the model's, outlive the exchange.
  // Errors: ResourceExhausted when the device has no room for the workspaces.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<LocalDeviceExchange>> Create(
      GpuDriver& gpu, const CudaKernels& kernels, const ModelConfig& config,
      const DeviceExperts& experts, std::int64_t max_rows);

  // Errors: InvalidArgument for more tokens than max_rows, or a layer without experts.
  [[nodiscard]] absl::Status Dispatch(DeviceStream stream, const DeviceDispatch& dispatch) override;
  [[nodiscard]] absl::StatusOr<DeviceExpertOutputs> Collect(DeviceStream stream) override;

 private:
  // Shapes: S = max_rows * K places.
  struct Workspace {
    std::int32_t* offsets = nullptr;      // [E + 1] expert e has places offsets[e] ...
    std::int32_t* source_rows = nullptr;  // [S] the token of each place
    std::int32_t* places = nullptr;       // [S] the place of each slot
    Bf16* gated = nullptr;                // [S, F]
    Bf16* outputs = nullptr;              // [S, H]
  };

  LocalDeviceExchange(const CudaKernels& kernels, const ModelConfig& config,
                      const DeviceExperts& experts, std::int64_t max_rows)
      : kernels_(kernels), config_(config), experts_(experts), max_rows_(max_rows) {}
  static Workspace Carve(const ModelConfig& config, std::int64_t max_rows, ArenaCarver& carver);

  const CudaKernels& kernels_;
  const ModelConfig config_;
  const DeviceExperts& experts_;
  std::int64_t max_rows_;
  GpuMemory memory_;
  Workspace workspace_;
};

}  // namespace sextant
