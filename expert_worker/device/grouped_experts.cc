#include "expert_worker/device/grouped_experts.h"

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant {

GroupedExperts::GroupedExperts(const CudaKernels& kernels, const ModelConfig& config,
                               const DeviceExperts& experts, std::int64_t max_rows,
                               ArenaCarver& carver)
    : kernels_(kernels), config_(config), experts_(experts), max_rows_(max_rows) {
  CHECK_GE(max_rows, 1);
  workspace_ = Carve(config, static_cast<std::int64_t>(experts.ids().size()), max_rows, carver);
}

GroupedExperts::Workspace GroupedExperts::Carve(const ModelConfig& config, std::int64_t experts,
                                                std::int64_t max_rows, ArenaCarver& carver) {
  const std::int64_t places = max_rows * config.num_experts_per_tok;
  return {.offsets = carver.Take<std::int32_t>(experts + 1),
          .source_rows = carver.Take<std::int32_t>(places),
          .places = carver.Take<std::int32_t>(places),
          .gated = carver.Take<Bf16>(places * config.moe_intermediate_size),
          .outputs = carver.Take<Bf16>(places * config.hidden_size)};
}

std::int64_t GroupedExperts::Bytes(const ModelConfig& config, std::int64_t experts,
                                   std::int64_t max_rows) {
  ArenaCarver counting(nullptr);
  Carve(config, experts, max_rows, counting);
  return counting.bytes();
}

absl::Status GroupedExperts::Run(DeviceStream stream, const HeldRows& rows) {
  const ExpertWeightsCuda* const experts = experts_.Layer(rows.layer);
  if (experts == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("layer ", rows.layer, " has no experts"));
  }
  if (rows.count < 0 || rows.count > max_rows_) {
    return absl::InvalidArgumentError(
        absl::StrCat(rows.count, " tokens for experts; there is room for ", max_rows_));
  }
  const auto chosen = static_cast<std::int32_t>(config_.num_experts_per_tok);
  const auto num_experts = static_cast<std::int32_t>(experts_.ids().size());
  RETURN_IF_ERROR(ToStatus(kernels_.group_rows(stream, {.expert_ids = rows.local_ids,
                                                        .rows = rows.count,
                                                        .live_rows = rows.live,
                                                        .chosen = chosen,
                                                        .experts = num_experts,
                                                        .offsets = workspace_.offsets,
                                                        .source_rows = workspace_.source_rows,
                                                        .places = workspace_.places}),
                           "grouping rows by expert"));
  return ToStatus(kernels_.grouped_feed_forward(
                      stream, {.x = rows.rows,
                               .source_rows = workspace_.source_rows,
                               .offsets = workspace_.offsets,
                               .experts = experts,
                               .places = rows.count * chosen,
                               .num_experts = num_experts,
                               .hidden = static_cast<std::int32_t>(config_.hidden_size),
                               .width = static_cast<std::int32_t>(config_.moe_intermediate_size),
                               .gated = workspace_.gated,
                               .y = workspace_.outputs}),
                  "the routed experts");
}

}  // namespace sextant
