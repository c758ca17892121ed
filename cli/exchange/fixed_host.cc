#include "cli/exchange/fixed_host.h"

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

constexpr std::int64_t kIndexBytes = sizeof(std::int32_t);
constexpr const char* kWhereRowsBegin = "where rows of other ranks begin";

}  // namespace

FixedHost::Buffers FixedHost::Carve(ArenaCarver& carver) const {
  const std::int64_t hidden = model_.hidden_size;
  return {.first_rows = carver.Take<std::int32_t>(sizes_.sources + 1),
          .first_pairs = carver.Take<std::int32_t>(sizes_.sources + 1),
          .ids = carver.Take<std::int32_t>(most_pairs()),
          .source_experts = carver.Take<std::int32_t>(most_pairs()),
          .rows = carver.Take<Bf16>(most_rows() * hidden),
          .returning = carver.Take<Bf16>(most_pairs() * hidden),
          .outputs = carver.Take<Bf16>(experts_ * hidden)};
}

absl::StatusOr<std::unique_ptr<FixedHost>> FixedHost::Create(const GpuStream& stream,
                                                             const CudaKernels& kernels,
                                                             const ModelConfig& model,
                                                             absl::Span<const Bf16> outputs,
                                                             const Sizes& sizes) {
  CHECK_GE(sizes.sources, 1);
  CHECK_GE(sizes.rows, 1);
  const auto experts = static_cast<std::int64_t>(outputs.size()) / model.hidden_size;
  std::unique_ptr<FixedHost> host(new FixedHost(stream, kernels, model, experts, sizes));
  GpuDriver& gpu = stream.gpu();
  ArenaCarver counting(nullptr);
  host->Carve(counting);
  ASSIGN_OR_RETURN(host->memory_, GpuMemory::Allocate(gpu, GpuMemory::Place::kDevice,
                                                      counting.bytes(), "the rows of other ranks"));
  ArenaCarver carver(host->memory_.data());
  host->buffers_ = host->Carve(carver);
  ASSIGN_OR_RETURN(host->pinned_,
                   GpuMemory::Allocate(gpu, GpuMemory::Place::kPinnedHost,
                                       2 * (sizes.sources + 1) * kIndexBytes, kWhereRowsBegin));
  RETURN_IF_ERROR(ToStatus(gpu.CopyIn(stream.handle(), host->buffers_.outputs, outputs.data(),
                                      static_cast<std::int64_t>(outputs.size() * sizeof(Bf16))),
                           "what experts give"));
  RETURN_IF_ERROR(stream.Synchronize());
  return host;
}

absl::Status FixedHost::Check(const RankLayout& layout, int destination) const {
  const int rank = layout.expert_ranks()[static_cast<std::size_t>(destination)];
  const auto held = static_cast<std::int64_t>(layout.role(rank).experts.size());
  const auto sources = static_cast<int>(layout.attention_ranks().size());
  if (held == experts_ && sources <= sizes_.sources) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("rank ", rank, " is to hold ", held, " experts for ", sources,
                   " ranks; there is room for ", experts_, " and ", sizes_.sources));
}

absl::Status FixedHost::Use(const RankLayout& layout, int /*destination*/) {
  sources_ = static_cast<std::int32_t>(layout.attention_ranks().size());
  return absl::OkStatus();
}

absl::Status FixedHost::CheckRoom(std::int64_t rows, std::int64_t pairs) const {
  if (rows <= most_rows() && pairs <= most_pairs()) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(rows, " rows and ", pairs,
                                                   " outputs at one rank; there is room for ",
                                                   most_rows(), " and ", most_pairs()));
}

absl::Status FixedHost::ExpectSlots(const RankStep& step) {
  exact_ = false;
  slots_ = step;
  pairs_ = sources_ * step.slot_pairs;
  first_rows_.clear();
  for (std::int64_t a = 0; a <= sources_; ++a) first_rows_.push_back(a * step.slot_rows);
  return CheckRoom(first_rows_.back(), pairs_);
}

absl::Status FixedHost::ExpectExactly(DeviceStream stream, absl::Span<const RankCounts> counts) {
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
    RETURN_IF_ERROR(CheckRoom(first_rows_.back(), pairs_));
    first_rows[a + 1] = static_cast<std::int32_t>(first_rows_.back());
    first_pairs[a + 1] = static_cast<std::int32_t>(pairs_);
  }
  GpuDriver& gpu = stream_.gpu();
  const std::int64_t bytes = (sources_ + 1) * kIndexBytes;
  RETURN_IF_ERROR(
      ToStatus(gpu.CopyIn(stream, buffers_.first_rows, first_rows, bytes), kWhereRowsBegin));
  return ToStatus(gpu.CopyIn(stream, buffers_.first_pairs, first_pairs, bytes), kWhereRowsBegin);
}

void FixedHost::AddReceives(int peer, std::int64_t first, std::int64_t rows,
                            std::vector<RankMessage>& receives) {
  const std::int64_t chosen = model_.num_experts_per_tok;
  const std::int64_t hidden = model_.hidden_size;
  receives.push_back(
      {.peer = peer, .data = buffers_.ids + first * chosen, .bytes = rows * chosen * kIndexBytes});
  receives.push_back({.peer = peer,
                      .data = buffers_.rows + first * hidden,
                      .bytes = rows * hidden * static_cast<std::int64_t>(sizeof(Bf16))});
}

absl::Status FixedHost::Compute(DeviceStream stream, int /*layer*/) {
  if (note_ != nullptr) RETURN_IF_ERROR(note_(stream));
  if (pairs_ == 0) return absl::OkStatus();
  // An expert's number here is the row of the table that it gives: so the ids of the rows stand
  // where the places of their outputs would.
  RETURN_IF_ERROR(ToStatus(
      kernels_.plan_return(stream, {.places = buffers_.ids,
                                    .chosen = static_cast<std::int32_t>(model_.num_experts_per_tok),
                                    .sources = sources_,
                                    .slot_rows = exact_ ? 0 : slots_.slot_rows,
                                    .slot_pairs = exact_ ? 0 : slots_.slot_pairs,
                                    .first_rows = exact_ ? buffers_.first_rows : nullptr,
                                    .first_pairs = exact_ ? buffers_.first_pairs : nullptr,
                                    .most_pairs = pairs_,
                                    .source_places = buffers_.source_experts}),
      "the order of outputs"));
  return ToStatus(kernels_.embedding(stream, {.table = buffers_.outputs,
                                              .vocab_size = experts_,
                                              .ids = buffers_.source_experts,
                                              .rows_out = buffers_.returning,
                                              .rows = pairs_,
                                              .hidden = model_.hidden_size}),
                  "outputs for other ranks");
}

void FixedHost::AddSends(int peer, std::int64_t first, std::int64_t pairs,
                         std::vector<RankMessage>& sends) {
  const std::int64_t hidden = model_.hidden_size;
  sends.push_back({.peer = peer,
                   .data = buffers_.returning + first * hidden,
                   .bytes = pairs * hidden * static_cast<std::int64_t>(sizeof(Bf16))});
}

}  // namespace sextant::cli
