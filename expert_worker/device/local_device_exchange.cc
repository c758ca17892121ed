#include "expert_worker/device/local_device_exchange.h"

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant {

LocalDeviceExchange::Workspace LocalDeviceExchange::Carve(const ModelConfig& config,
                                                          std::int64_t max_rows,
                                                          ArenaCarver& carver) {
  const std::int64_t places = max_rows * config.num_experts_per_tok;
  return {.offsets = carver.Take<std::int32_t>(config.n_routed_experts + 1),
          .source_rows = carver.Take<std::int32_t>(places),
          .places = carver.Take<std::int32_t>(places),
          .gated = carver.Take<Bf16>(places * config.moe_intermediate_size),
          .outputs = carver.Take<Bf16>(places * config.hidden_size)};
}

std::int64_t LocalDeviceExchange::Bytes(const ModelConfig& config, std::int64_t max_rows) {
  ArenaCarver counting(nullptr);
  Carve(config, max_rows, counting);
  return counting.bytes();
}

absl::StatusOr<std::unique_ptr<LocalDeviceExchange>> LocalDeviceExchange::Create(
    GpuDriver& gpu, const CudaKernels& kernels, const ModelConfig& config,
    const DeviceExperts& experts, std::int64_t max_rows) {
  CHECK_GE(max_rows, 1);
  CHECK_EQ(static_cast<std::int64_t>(experts.ids().size()), config.n_routed_experts);
  std::unique_ptr<LocalDeviceExchange> exchange(
      new LocalDeviceExchange(kernels, config, experts, max_rows));
  ASSIGN_OR_RETURN(exchange->memory_,
                   GpuMemory::Allocate(gpu, GpuMemory::Place::kDevice, Bytes(config, max_rows),
                                       "the workspaces of the routed experts"));
  ArenaCarver carver(exchange->memory_.data());
  exchange->workspace_ = Carve(config, max_rows, carver);
  return exchange;
}

absl::Status LocalDeviceExchange::Dispatch(DeviceStream stream, const DeviceDispatch& dispatch) {
  const ExpertWeightsCuda* const experts = experts_.Layer(dispatch.layer);
  if (experts == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("layer ", dispatch.layer, " has no experts"));
  }
  if (dispatch.tokens < 0 || dispatch.tokens > max_rows_) {
    return absl::InvalidArgumentError(
        absl::StrCat(dispatch.tokens, " tokens for experts; there is room for ", max_rows_));
  }
  const auto chosen = static_cast<std::int32_t>(config_.num_experts_per_tok);
  const auto num_experts = static_cast<std::int32_t>(config_.n_routed_experts);
  RETURN_IF_ERROR(ToStatus(kernels_.group_rows(stream, {.expert_ids = dispatch.expert_ids,
                                                        .rows = dispatch.tokens,
                                                        .live_rows = dispatch.live_rows,
                                                        .chosen = chosen,
                                                        .experts = num_experts,
                                                        .offsets = workspace_.offsets,
                                                        .source_rows = workspace_.source_rows,
                                                        .places = workspace_.places}),
                           "grouping rows by expert"));
  RETURN_IF_ERROR(
      ToStatus(kernels_.grouped_feed_forward(
                   stream, {.x = dispatch.rows,
                            .source_rows = workspace_.source_rows,
                            .offsets = workspace_.offsets,
                            .experts = experts,
                            .places = dispatch.tokens * chosen,
                            .num_experts = num_experts,
                            .hidden = static_cast<std::int32_t>(config_.hidden_size),
                            .width = static_cast<std::int32_t>(config_.moe_intermediate_size),
                            .gated = workspace_.gated,
                            .y = workspace_.outputs}),
               "the routed experts"));
  return absl::OkStatus();
}

absl::StatusOr<DeviceExpertOutputs> LocalDeviceExchange::Collect(DeviceStream /*stream*/) {
  return DeviceExpertOutputs{.rows = workspace_.outputs, .places = workspace_.places};
}

}  // namespace sextant
