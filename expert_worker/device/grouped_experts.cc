#include "expert_worker/device/grouped_experts.h"

#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant {

GroupedExperts::GroupedExperts(const CudaKernels& kernels, const ModelConfig& config,
                               const DeviceExperts& experts, std::int64_t max_rows,
                               ArenaCarver& carver)
    : kernels_(kernels), config_(config), experts_(experts), max_rows_(max_rows) {
  CHECK_GE(max_rows, 1);
  workspace_ = Carve(config, experts.slots(), max_rows, carver);
}

GroupedExperts::Workspace GroupedExperts::Carve(const ModelConfig& config, std::int64_t slots,
                                                std::int64_t max_rows, ArenaCarver& carver) {
  const std::int64_t places = max_rows * config.num_experts_per_tok;
  return {.lists = carver.Take<ExpertWeightsCuda>(config.num_hidden_layers * slots),
          .offsets = carver.Take<std::int32_t>(slots + 1),
          .source_rows = carver.Take<std::int32_t>(places),
          .places = carver.Take<std::int32_t>(places),
          .gated = carver.Take<Bf16>(places * config.moe_intermediate_size),
          .outputs = carver.Take<Bf16>(places * config.hidden_size)};
}

std::int64_t GroupedExperts::Bytes(const ModelConfig& config, std::int64_t slots,
                                   std::int64_t max_rows) {
  ArenaCarver counting(nullptr);
  Carve(config, slots, max_rows, counting);
  return counting.bytes();
}

absl::Status GroupedExperts::Use(const GpuStream& stream, absl::Span<const std::int32_t> experts) {
  const auto length = static_cast<std::size_t>(experts_.slots());
  std::vector<ExpertWeightsCuda> lists(static_cast<std::size_t>(config_.num_hidden_layers) *
                                       length);
  for (std::size_t i = 0; i < experts.size(); ++i) {
    const std::optional<int> slot = experts_.SlotOf(experts[i]);
    if (!slot.has_value()) {
      return absl::FailedPreconditionError(
          absl::StrCat("expert ", experts[i], " is not on the GPU"));
    }
    CHECK_LT(i, length);  // none is there twice
    for (int layer = 0; layer < config_.num_hidden_layers; ++layer) {
      if (!config_.IsMoeLayer(layer)) continue;
      lists[static_cast<std::size_t>(layer) * length + i] = experts_.At(layer, *slot);
    }
  }
  const auto bytes = static_cast<std::int64_t>(lists.size() * sizeof(ExpertWeightsCuda));
  RETURN_IF_ERROR(
      ToStatus(stream.gpu().CopyIn(stream.handle(), workspace_.lists, lists.data(), bytes),
               "where experts are"));
  num_experts_ = static_cast<std::int32_t>(experts.size());
  return stream.Synchronize();
}

absl::Status GroupedExperts::Run(DeviceStream stream, const HeldRows& rows) {
  if (rows.layer < 0 || rows.layer >= config_.num_hidden_layers ||
      !config_.IsMoeLayer(rows.layer)) {
    return absl::InvalidArgumentError(absl::StrCat("layer ", rows.layer, " has no experts"));
  }
  if (rows.count < 0 || rows.count > max_rows_) {
    return absl::InvalidArgumentError(
        absl::StrCat(rows.count, " tokens for experts; there is room for ", max_rows_));
  }
  const auto chosen = static_cast<std::int32_t>(config_.num_experts_per_tok);
  const std::int64_t list = std::int64_t{rows.layer} * experts_.slots();
  RETURN_IF_ERROR(ToStatus(kernels_.group_rows(stream, {.expert_ids = rows.local_ids,
                                                        .rows = rows.count,
                                                        .live_rows = rows.live,
                                                        .chosen = chosen,
                                                        .experts = num_experts_,
                                                        .offsets = workspace_.offsets,
                                                        .source_rows = workspace_.source_rows,
                                                        .places = workspace_.places}),
                           "grouping rows by expert"));
  return ToStatus(kernels_.grouped_feed_forward(
                      stream, {.x = rows.rows,
                               .source_rows = workspace_.source_rows,
                               .offsets = workspace_.offsets,
                               .experts = workspace_.lists + list,
                               .places = rows.count * chosen,
                               .num_experts = num_experts_,
                               .hidden = static_cast<std::int32_t>(config_.hidden_size),
                               .width = static_cast<std::int32_t>(config_.moe_intermediate_size),
                               .gated = workspace_.gated,
                               .y = workspace_.outputs}),
                  "the routed experts");
}

}  // namespace sextant
