#include "expert_worker/device/rank_host.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant {

RankHost::Sizes RankHost::SizesFor(const ModelConfig& config, int sources, std::int64_t rows,
                                   std::int64_t slot_rows) {
  const std::int64_t each = std::max(rows, slot_rows);
  // No slot has more pairs than rows and choices, whatever the number of ranks.
  return {.rows = sources * each,
          .pairs = sources * each * config.num_experts_per_tok,
          .sources = sources};
}

RankHost::Buffers RankHost::Carve(const ModelConfig& config, const Sizes& sizes,
                                  ArenaCarver& carver) {
  return {.first_rows = carver.Take<std::int32_t>(sizes.sources + 1),
          .first_pairs = carver.Take<std::int32_t>(sizes.sources + 1),
          .ids = carver.Take<std::int32_t>(sizes.rows * config.num_experts_per_tok),
          .source_places = carver.Take<std::int32_t>(sizes.pairs),
          .rows = carver.Take<Bf16>(sizes.rows * config.hidden_size),
          .returning = carver.Take<Bf16>(sizes.pairs * config.hidden_size)};
}

std::int64_t RankHost::Bytes(const ModelConfig& config, std::int64_t slots, const Sizes& sizes) {
  ArenaCarver counting(nullptr);
  Carve(config, sizes, counting);
  return counting.bytes() + GroupedExperts::Bytes(config, slots, sizes.rows);
}

absl::StatusOr<std::unique_ptr<RankHost>> RankHost::Create(const GpuStream& stream,
                                                           const CudaKernels& kernels,
                                                           const ModelConfig& config,
                                                           const DeviceExperts& experts,
                                                           const Sizes& sizes) {
  CHECK_GE(sizes.sources, 1);
  CHECK_GE(sizes.rows, 1);
  std::unique_ptr<RankHost> host(new RankHost(stream, kernels, config, experts, sizes));
  GpuDriver& gpu = stream.gpu();
  ASSIGN_OR_RETURN(host->memory_, GpuMemory::Allocate(gpu, GpuMemory::Place::kDevice,
                                                      Bytes(config, experts.slots(), sizes),
                                                      "the rows of other GPUs"));
  ArenaCarver carver(host->memory_.data());
  host->buffers_ = Carve(config, sizes, carver);
  host->grouped_.emplace(kernels, config, experts, sizes.rows, carver);
  ASSIGN_OR_RETURN(
      host->pinned_,
      GpuMemory::Allocate(gpu, GpuMemory::Place::kPinnedHost,
                          2 * (sizes.sources + 1) * static_cast<std::int64_t>(sizeof(std::int32_t)),
                          "where rows of other GPUs begin"));
  return host;
}

absl::Status RankHost::Check(const RankLayout& layout, int destination) const {
  const auto sources = static_cast<std::int32_t>(layout.attention_ranks().size());
  if (sources > sizes_.sources) {
    return absl::InvalidArgumentError(
        absl::StrCat(sources, " ranks that send rows; there is room for ", sizes_.sources));
  }
  const int rank = layout.expert_ranks()[static_cast<std::size_t>(destination)];
  for (const std::int32_t expert : layout.role(rank).experts) {
    if (experts_.SlotOf(expert).has_value()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("rank ", rank, " is to compute expert ", expert, ", which is not on its GPU"));
  }
  return absl::OkStatus();
}

absl::Status RankHost::Use(const RankLayout& layout, int destination) {
  sources_ = static_cast<std::int32_t>(layout.attention_ranks().size());
  const int rank = layout.expert_ranks()[static_cast<std::size_t>(destination)];
  return grouped_->Use(stream_, layout.role(rank).experts);
}

absl::Status RankHost::CheckRoom(std::int64_t rows, std::int64_t pairs) const {
  if (rows <= sizes_.rows && pairs <= sizes_.pairs) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat(rows, " rows and ", pairs, " outputs for the experts here; there is room for ",
                   sizes_.rows, " and ", sizes_.pairs));
}

absl::Status RankHost::ExpectSlots(const RankStep& step) {
  expected_ = {.rows = sources_ * step.slot_rows,
               .pairs = sources_ * step.slot_pairs,
               .slot_rows = step.slot_rows,
               .slot_pairs = step.slot_pairs};
  return CheckRoom(expected_.rows, expected_.pairs);
}

absl::Status RankHost::ExpectExactly(DeviceStream stream, absl::Span<const RankCounts> counts) {
  CHECK_EQ(static_cast<std::int32_t>(counts.size()), sources_);
  // The copy before this one has happened: the stream was waited for to read `counts`.
  auto* const first_rows = reinterpret_cast<std::int32_t*>(pinned_.data());
  std::int32_t* const first_pairs = first_rows + sizes_.sources + 1;
  expected_ = {.exact = true};
  for (std::size_t a = 0; a < counts.size(); ++a) {
    if (counts[a].rows < 0 || counts[a].pairs < 0) {
      return absl::InternalError("a rank has sent a negative number of rows");
    }
    first_rows[a] = static_cast<std::int32_t>(expected_.rows);
    first_pairs[a] = static_cast<std::int32_t>(expected_.pairs);
    expected_.rows += counts[a].rows;
    expected_.pairs += counts[a].pairs;
    RETURN_IF_ERROR(CheckRoom(expected_.rows, expected_.pairs));
  }
  first_rows[sources_] = static_cast<std::int32_t>(expected_.rows);
  first_pairs[sources_] = static_cast<std::int32_t>(expected_.pairs);
  const std::int64_t bytes = (sources_ + 1) * static_cast<std::int64_t>(sizeof(std::int32_t));
  GpuDriver& gpu = stream_.gpu();
  RETURN_IF_ERROR(ToStatus(gpu.CopyIn(stream, buffers_.first_rows, first_rows, bytes),
                           "where rows of other GPUs begin"));
  return ToStatus(gpu.CopyIn(stream, buffers_.first_pairs, first_pairs, bytes),
                  "where rows of other GPUs begin");
}

void RankHost::AddReceives(int peer, std::int64_t first, std::int64_t rows,
                           std::vector<RankMessage>& receives) {
  const std::int64_t chosen = config_.num_experts_per_tok;
  receives.push_back({.peer = peer,
                      .data = buffers_.ids + first * chosen,
                      .bytes = rows * chosen * static_cast<std::int64_t>(sizeof(std::int32_t))});
  receives.push_back(
      {.peer = peer,
       .data = buffers_.rows + first * config_.hidden_size,
       .bytes = rows * config_.hidden_size * static_cast<std::int64_t>(sizeof(Bf16))});
}

absl::Status RankHost::Compute(DeviceStream stream, int layer) {
  if (expected_.rows == 0) return absl::OkStatus();
  RETURN_IF_ERROR(grouped_->Run(
      stream,
      {.layer = layer, .rows = buffers_.rows, .local_ids = buffers_.ids, .count = expected_.rows}));
  RETURN_IF_ERROR(
      ToStatus(kernels_.plan_return(
                   stream, {.places = grouped_->places(),
                            .chosen = static_cast<std::int32_t>(config_.num_experts_per_tok),
                            .sources = sources_,
                            .slot_rows = expected_.slot_rows,
                            .slot_pairs = expected_.slot_pairs,
                            .first_rows = expected_.exact ? buffers_.first_rows : nullptr,
                            .first_pairs = expected_.exact ? buffers_.first_pairs : nullptr,
                            .most_pairs = expected_.pairs,
                            .source_places = buffers_.source_places}),
               "the order of outputs"));
  if (expected_.pairs == 0) return absl::OkStatus();
  return ToStatus(kernels_.embedding(stream, {.table = grouped_->outputs(),
                                              .vocab_size = grouped_->most_places(),
                                              .ids = buffers_.source_places,
                                              .rows_out = buffers_.returning,
                                              .rows = expected_.pairs,
                                              .hidden = config_.hidden_size}),
                  "outputs for other GPUs");
}

void RankHost::AddSends(int peer, std::int64_t first, std::int64_t pairs,
                        std::vector<RankMessage>& sends) {
  sends.push_back({.peer = peer,
                   .data = buffers_.returning + first * config_.hidden_size,
                   .bytes = pairs * config_.hidden_size * static_cast<std::int64_t>(sizeof(Bf16))});
}

}  // namespace sextant
