#include "expert_worker/device/received_rows.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant {
namespace {

constexpr std::int64_t kIndexBytes = sizeof(std::int32_t);
constexpr std::int64_t kValueBytes = sizeof(Bf16);
constexpr const char* kWhereRowsBegin = "where rows of other GPUs begin";

}  // namespace

ReceivedRows::Sizes ReceivedRows::SizesFor(const ModelConfig& config, int sources,
                                           std::int64_t rows, std::int64_t slot_rows) {
  const std::int64_t each = std::max(rows, slot_rows);
  // No slot has more pairs than rows and choices, whatever the number of ranks.
  return {.rows = sources * each,
          .pairs = sources * each * config.num_experts_per_tok,
          .sources = sources};
}

ReceivedRows::Buffers ReceivedRows::Carve(const ModelConfig& config, const Sizes& sizes,
                                          ArenaCarver& carver) {
  return {.first_rows = carver.Take<std::int32_t>(sizes.sources + 1),
          .first_pairs = carver.Take<std::int32_t>(sizes.sources + 1),
          .ids = carver.Take<std::int32_t>(sizes.rows * config.num_experts_per_tok),
          .source_places = carver.Take<std::int32_t>(sizes.pairs),
          .rows = carver.Take<Bf16>(sizes.rows * config.hidden_size),
          .returning = carver.Take<Bf16>(sizes.pairs * config.hidden_size)};
}

std::int64_t ReceivedRows::Bytes(const ModelConfig& config, const Sizes& sizes) {
  ArenaCarver counting(nullptr);
  Carve(config, sizes, counting);
  return counting.bytes();
}

absl::StatusOr<ReceivedRows> ReceivedRows::Create(const GpuStream& stream,
                                                  const CudaKernels& kernels,
                                                  const ModelConfig& config, const Sizes& sizes,
                                                  ArenaCarver& carver) {
  CHECK_GE(sizes.sources, 1);
  CHECK_GE(sizes.rows, 1);
  ASSIGN_OR_RETURN(GpuMemory pinned,
                   GpuMemory::Allocate(stream.gpu(), GpuMemory::Place::kPinnedHost,
                                       2 * (sizes.sources + 1) * kIndexBytes, kWhereRowsBegin));
  return ReceivedRows(stream, kernels, config, sizes, Carve(config, sizes, carver),
                      std::move(pinned));
}

absl::Status ReceivedRows::CheckSources(const RankLayout& layout) const {
  const auto sources = static_cast<std::int32_t>(layout.attention_ranks().size());
  if (sources <= sizes_.sources) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(sources, " ranks that send rows; there is room for ", sizes_.sources));
}

void ReceivedRows::Use(const RankLayout& layout) {
  sources_ = static_cast<std::int32_t>(layout.attention_ranks().size());
}

absl::Status ReceivedRows::CheckRoom() const {
  if (count() <= sizes_.rows && pairs_ <= sizes_.pairs) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      count(), " rows and ", pairs_, " outputs for the experts here; there is room for ",
      sizes_.rows, " and ", sizes_.pairs));
}

absl::Status ReceivedRows::ExpectSlots(const RankStep& step) {
  exact_ = false;
  slots_ = step;
  pairs_ = sources_ * step.slot_pairs;
  first_rows_.clear();
  for (std::int64_t a = 0; a <= sources_; ++a) first_rows_.push_back(a * step.slot_rows);
  return CheckRoom();
}

absl::Status ReceivedRows::ExpectExactly(DeviceStream stream, absl::Span<const RankCounts> counts) {
  CHECK_EQ(static_cast<std::int32_t>(counts.size()), sources_);
  // The copy before this one has happened: the stream was waited for to read `counts`.
  auto* const first_rows = reinterpret_cast<std::int32_t*>(pinned_.data());
  std::int32_t* const first_pairs = first_rows + sizes_.sources + 1;
  exact_ = true;
  pairs_ = 0;
  first_rows_ = {0};
  first_rows[0] = first_pairs[0] = 0;
  for (std::size_t a = 0; a < counts.size(); ++a) {
    if (counts[a].rows < 0 || counts[a].pairs < 0) {
      return absl::InternalError("a rank has sent a negative number of rows");
    }
    first_rows_.push_back(first_rows_.back() + counts[a].rows);
    pairs_ += counts[a].pairs;
    RETURN_IF_ERROR(CheckRoom());
    first_rows[a + 1] = static_cast<std::int32_t>(first_rows_.back());
    first_pairs[a + 1] = static_cast<std::int32_t>(pairs_);
  }
  GpuDriver& gpu = stream_.gpu();
  const std::int64_t bytes = (sources_ + 1) * kIndexBytes;
  RETURN_IF_ERROR(
      ToStatus(gpu.CopyIn(stream, buffers_.first_rows, first_rows, bytes), kWhereRowsBegin));
  return ToStatus(gpu.CopyIn(stream, buffers_.first_pairs, first_pairs, bytes), kWhereRowsBegin);
}

void ReceivedRows::AddReceives(int peer, std::int64_t first, std::int64_t rows,
                               std::vector<RankMessage>& receives) const {
  const std::int64_t chosen = config_.num_experts_per_tok;
  receives.push_back(
      {.peer = peer, .data = buffers_.ids + first * chosen, .bytes = rows * chosen * kIndexBytes});
  receives.push_back({.peer = peer,
                      .data = buffers_.rows + first * config_.hidden_size,
                      .bytes = rows * config_.hidden_size * kValueBytes});
}

void ReceivedRows::AddSends(int peer, std::int64_t first, std::int64_t pairs,
                            std::vector<RankMessage>& sends) const {
  sends.push_back({.peer = peer,
                   .data = buffers_.returning + first * config_.hidden_size,
                   .bytes = pairs * config_.hidden_size * kValueBytes});
}

absl::Status ReceivedRows::Return(DeviceStream stream, const Outputs& outputs) const {
  if (pairs_ == 0) return absl::OkStatus();
  RETURN_IF_ERROR(
      ToStatus(kernels_.plan_return(
                   stream, {.places = outputs.places,
                            .chosen = static_cast<std::int32_t>(config_.num_experts_per_tok),
                            .sources = sources_,
                            .slot_rows = exact_ ? 0 : slots_.slot_rows,
                            .slot_pairs = exact_ ? 0 : slots_.slot_pairs,
                            .first_rows = exact_ ? buffers_.first_rows : nullptr,
                            .first_pairs = exact_ ? buffers_.first_pairs : nullptr,
                            .most_pairs = pairs_,
                            .source_places = buffers_.source_places}),
               "the order of outputs"));
  return ToStatus(kernels_.embedding(stream, {.table = outputs.table,
                                              .vocab_size = outputs.table_rows,
                                              .ids = buffers_.source_places,
                                              .rows_out = buffers_.returning,
                                              .rows = pairs_,
                                              .hidden = config_.hidden_size}),
                  "outputs for other GPUs");
}

}  // namespace sextant
