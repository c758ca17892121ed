#include "attention_worker/device/rank_sender.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant {
namespace {

// Outputs that come back in a step at most: of slots, whatever their size and the number of
// destinations, or exactly one for each choice.
std::int64_t MostReturned(const ModelConfig& config, const RankSender::Sizes& sizes) {
  const std::int64_t chosen = config.num_experts_per_tok;
  std::int64_t most = sizes.rows * chosen;
  for (int d = 1; d <= sizes.destinations; ++d) {
    most = std::max(most, d * SlotsFor(sizes.slot_rows, chosen, d).slot_pairs);
  }
  return most;
}

}  // namespace

RankSender::Buffers RankSender::Carve(const ModelConfig& config, const Sizes& sizes,
                                      ArenaCarver& carver) {
  const std::int64_t chosen = config.num_experts_per_tok;
  const std::int64_t rows = std::max(sizes.rows, sizes.slot_rows);
  const std::int64_t slots = sizes.destinations * rows;
  return {.overflow = carver.Take<std::int32_t>(1),
          .counts = carver.Take<std::int32_t>(2 * sizes.destinations),
          .seats = carver.Take<ExpertSeatCuda>(config.n_routed_experts),
          .source_rows = carver.Take<std::int32_t>(slots),
          .local_ids = carver.Take<std::int32_t>(slots * chosen),
          .places = carver.Take<std::int32_t>(rows * chosen),
          .rows = carver.Take<Bf16>(slots * config.hidden_size),
          .returned = carver.Take<Bf16>(MostReturned(config, sizes) * config.hidden_size)};
}

std::int64_t RankSender::Bytes(const ModelConfig& config, const Sizes& sizes) {
  ArenaCarver counting(nullptr);
  Carve(config, sizes, counting);
  return counting.bytes();
}

absl::StatusOr<std::unique_ptr<RankSender>> RankSender::Create(const GpuStream& stream,
                                                               const CudaKernels& kernels,
                                                               const ModelConfig& config,
                                                               const Sizes& sizes) {
  CHECK_GE(sizes.rows, 1);
  CHECK_GE(sizes.slot_rows, 1);
  CHECK_GE(sizes.destinations, 1);
  std::unique_ptr<RankSender> sender(new RankSender(stream, kernels, config, sizes));
  GpuDriver& gpu = stream.gpu();
  ASSIGN_OR_RETURN(sender->memory_,
                   GpuMemory::Allocate(gpu, GpuMemory::Place::kDevice, Bytes(config, sizes),
                                       "the rows that go to other GPUs"));
  ArenaCarver carver(sender->memory_.data());
  sender->buffers_ = Carve(config, sizes, carver);
  const std::int64_t seat_bytes =
      config.n_routed_experts * static_cast<std::int64_t>(sizeof(ExpertSeatCuda));
  ASSIGN_OR_RETURN(sender->pinned_, GpuMemory::Allocate(gpu, GpuMemory::Place::kPinnedHost,
                                                        seat_bytes, "where experts are"));
  RETURN_IF_ERROR(
      ToStatus(gpu.FillZeros(stream.handle(), sender->buffers_.overflow, sizeof(std::int32_t)),
               "whether all rows fit"));
  return sender;
}

absl::Status RankSender::Check(const RankLayout& layout) const {
  if (layout.num_experts() != config_.n_routed_experts) {
    return absl::InvalidArgumentError(absl::StrCat("ranks for ", layout.num_experts(),
                                                   " experts, where the model has ",
                                                   config_.n_routed_experts));
  }
  const auto destinations = static_cast<std::int64_t>(layout.expert_ranks().size());
  if (destinations > sizes_.destinations) {
    return absl::InvalidArgumentError(absl::StrCat(
        "experts on ", destinations, " ranks; there is room for ", sizes_.destinations));
  }
  return absl::OkStatus();
}

absl::Status RankSender::Use(const RankLayout& layout, int attention) {
  const std::vector<ExpertSeat> seats = layout.SeatsFor(attention);
  // What a copy before this one reads must stay until it has happened.
  RETURN_IF_ERROR(stream_.Synchronize());
  auto* const pinned = reinterpret_cast<ExpertSeatCuda*>(pinned_.data());
  std::transform(seats.begin(), seats.end(), pinned, [](const ExpertSeat& seat) {
    return ExpertSeatCuda{.destination = seat.destination, .local = seat.local};
  });
  RETURN_IF_ERROR(
      ToStatus(stream_.gpu().CopyIn(stream_.handle(), buffers_.seats, pinned, pinned_.bytes()),
               "where experts are"));
  destinations_ = static_cast<std::int32_t>(layout.expert_ranks().size());
  return absl::OkStatus();
}

absl::Status RankSender::Pack(DeviceStream stream, const DeviceDispatch& dispatch,
                              const RankStep& step) {
  const bool exact = step.form == RankStepForm::kExact;
  slot_rows_ = exact ? std::max<std::int64_t>(dispatch.tokens, 1) : step.slot_rows;
  const std::int64_t room = exact ? sizes_.rows : sizes_.slot_rows;
  if (slot_rows_ > room || dispatch.tokens > slot_rows_) {
    return absl::InvalidArgumentError(absl::StrCat(std::max(slot_rows_, dispatch.tokens),
                                                   " rows for experts; there is room for ", room));
  }
  if (!exact && destinations_ * step.slot_pairs > MostReturned(config_, sizes_)) {
    return absl::InvalidArgumentError(
        absl::StrCat(step.slot_pairs, " outputs of a slot are more than there is room for"));
  }
  RETURN_IF_ERROR(
      ToStatus(kernels_.plan_dispatch(
                   stream, {.expert_ids = dispatch.expert_ids,
                            .rows = dispatch.tokens,
                            .live_rows = dispatch.live_rows,
                            .chosen = static_cast<std::int32_t>(config_.num_experts_per_tok),
                            .seats = buffers_.seats,
                            .experts = static_cast<std::int32_t>(config_.n_routed_experts),
                            .destinations = destinations_,
                            .slot_rows = slot_rows_,
                            .slot_pairs = exact ? 0 : step.slot_pairs,
                            .source_rows = buffers_.source_rows,
                            .local_ids = buffers_.local_ids,
                            .places = buffers_.places,
                            .counts = buffers_.counts,
                            .overflow = buffers_.overflow}),
               "which rows go where"));
  if (dispatch.tokens == 0) return absl::OkStatus();
  return ToStatus(kernels_.embedding(stream, {.table = dispatch.rows,
                                              .vocab_size = dispatch.tokens,
                                              .ids = buffers_.source_rows,
                                              .rows_out = buffers_.rows,
                                              .rows = destinations_ * slot_rows_,
                                              .hidden = config_.hidden_size}),
                  "rows for other GPUs");
}

void RankSender::AddSends(int destination, int peer, std::int64_t rows,
                          std::vector<RankMessage>& sends) {
  const std::int64_t chosen = config_.num_experts_per_tok;
  const std::int64_t first = destination * slot_rows_;
  sends.push_back({.peer = peer,
                   .data = buffers_.local_ids + first * chosen,
                   .bytes = rows * chosen * static_cast<std::int64_t>(sizeof(std::int32_t))});
  sends.push_back({.peer = peer,
                   .data = buffers_.rows + first * config_.hidden_size,
                   .bytes = rows * config_.hidden_size * static_cast<std::int64_t>(sizeof(Bf16))});
}

void RankSender::AddReceives(int peer, std::int64_t first, std::int64_t pairs,
                             std::vector<RankMessage>& receives) {
  receives.push_back(
      {.peer = peer,
       .data = buffers_.returned + first * config_.hidden_size,
       .bytes = pairs * config_.hidden_size * static_cast<std::int64_t>(sizeof(Bf16))});
}

}  // namespace sextant
