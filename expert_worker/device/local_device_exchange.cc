#include "expert_worker/device/local_device_exchange.h"

#include "common/base/status.h"
#include "common/device/arena_carver.h"
#include "expert_worker/store/expert_store.h"

namespace sextant {

std::int64_t LocalDeviceExchange::Bytes(const ModelConfig& config, std::int64_t max_rows) {
  return GroupedExperts::Bytes(config, config.n_routed_experts, max_rows);
}

absl::StatusOr<std::unique_ptr<LocalDeviceExchange>> LocalDeviceExchange::Create(
    GpuDriver& gpu, const CudaKernels& kernels, const ModelConfig& config,
    const DeviceExperts& experts, std::int64_t max_rows) {
  std::unique_ptr<LocalDeviceExchange> exchange(new LocalDeviceExchange());
  ASSIGN_OR_RETURN(exchange->memory_,
                   GpuMemory::Allocate(gpu, GpuMemory::Place::kDevice, Bytes(config, max_rows),
                                       "the workspaces of the routed experts"));
  ArenaCarver carver(exchange->memory_.data());
  exchange->grouped_.emplace(kernels, config, experts, max_rows, carver);
  ASSIGN_OR_RETURN(const GpuStream stream, GpuStream::Create(gpu));
  RETURN_IF_ERROR(exchange->grouped_->Use(stream, AllExperts(config)));
  return exchange;
}

absl::Status LocalDeviceExchange::Dispatch(DeviceStream stream, const DeviceDispatch& dispatch) {
  return grouped_->Run(stream, {.layer = dispatch.layer,
                                .rows = dispatch.rows,
                                .local_ids = dispatch.expert_ids,
                                .count = dispatch.tokens,
                                .live = dispatch.live_rows});
}

absl::StatusOr<DeviceExpertOutputs> LocalDeviceExchange::Collect(DeviceStream /*stream*/) {
  return DeviceExpertOutputs{.rows = grouped_->outputs(), .places = grouped_->places()};
}

}  // namespace sextant
