// The exchange of one GPU: runs the experts where the attention half is, in device memory; nothing
// is copied.
//
// Threads:   the engine thread makes every call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/config/model_config.h"
#include "common/device/gpu.h"
#include "common/exchange/device_exchange.h"
#include "expert_worker/device/device_experts.h"
#include "expert_worker/device/grouped_experts.h"
#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant {

class LocalDeviceExchange final : public DeviceExchange {
 public:
  // What its workspaces for `max_rows` tokens take: for the memory plan.
  [[nodiscard]] static std::int64_t Bytes(const ModelConfig& config, std::int64_t max_rows);

  // `kernels` and `experts` outlive the exchange. All of the model's are there, and stay.
  // Errors: ResourceExhausted when the device has no room for the workspaces, FailedPrecondition
  //         for an expert that is not there.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<LocalDeviceExchange>> Create(
      GpuDriver& gpu, const CudaKernels& kernels, const ModelConfig& config,
      const DeviceExperts& experts, std::int64_t max_rows);

  void OnGraphsEnd(std::function<void()> /*drop*/) override {}  // before this does
  // Of any form, whatever its rows.
  [[nodiscard]] absl::StatusOr<DeviceStepForm> Begin(const DeviceStep& /*step*/) override {
    return DeviceStepForm();
  }
  // Errors: InvalidArgument for more tokens than max_rows, or a layer without experts.
  [[nodiscard]] absl::Status Dispatch(DeviceStream stream, const DeviceDispatch& dispatch) override;
  [[nodiscard]] absl::StatusOr<DeviceExpertOutputs> Collect(DeviceStream stream) override;
  [[nodiscard]] absl::Status End(DeviceStream /*stream*/) override { return absl::OkStatus(); }
  [[nodiscard]] absl::Status Confirm() override { return absl::OkStatus(); }

 private:
  LocalDeviceExchange() = default;

  GpuMemory memory_;
  std::optional<GroupedExperts> grouped_;
};

}  // namespace sextant
