#include "cli/exchange/fixed_host.h"

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/device/arena_carver.h"

namespace sextant::cli {

absl::StatusOr<std::unique_ptr<FixedHost>> FixedHost::Create(const GpuStream& stream,
                                                             const CudaKernels& kernels,
                                                             const ModelConfig& model,
                                                             absl::Span<const Bf16> outputs,
                                                             const ReceivedRows::Sizes& sizes) {
  const auto values = static_cast<std::int64_t>(outputs.size());
  const auto bytes = static_cast<std::int64_t>(outputs.size() * sizeof(Bf16));
  ArenaCarver counting(nullptr);
  counting.Take<Bf16>(values);
  ASSIGN_OR_RETURN(GpuMemory memory,
                   GpuMemory::Allocate(stream.gpu(), GpuMemory::Place::kDevice,
                                       counting.bytes() + ReceivedRows::Bytes(model, sizes),
                                       "the rows of other ranks"));
  ArenaCarver carver(memory.data());
  Bf16* const table = carver.Take<Bf16>(values);
  ASSIGN_OR_RETURN(ReceivedRows received,
                   ReceivedRows::Create(stream, kernels, model, sizes, carver));
  RETURN_IF_ERROR(ToStatus(stream.gpu().CopyIn(stream.handle(), table, outputs.data(), bytes),
                           "what experts give"));
  RETURN_IF_ERROR(stream.Synchronize());
  return std::unique_ptr<FixedHost>(
      new FixedHost(std::move(memory), std::move(received), table, values / model.hidden_size));
}

absl::Status FixedHost::Check(const RankLayout& layout, int destination) const {
  RETURN_IF_ERROR(received_.CheckSources(layout));
  const int rank = layout.expert_ranks()[static_cast<std::size_t>(destination)];
  const auto held = static_cast<std::int64_t>(layout.role(rank).experts.size());
  if (held == experts_) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("rank ", rank, " is to hold ", held,
                                                 " experts; there are outputs for ", experts_));
}

absl::Status FixedHost::Use(const RankLayout& layout, int /*destination*/) {
  received_.Use(layout);
  return absl::OkStatus();
}

absl::Status FixedHost::ExpectSlots(const RankStep& step) { return received_.ExpectSlots(step); }

absl::Status FixedHost::ExpectExactly(DeviceStream stream, absl::Span<const RankCounts> counts) {
  return received_.ExpectExactly(stream, counts);
}

void FixedHost::AddReceives(int peer, std::int64_t first, std::int64_t rows,
                            std::vector<RankMessage>& receives) {
  received_.AddReceives(peer, first, rows, receives);
}

absl::Status FixedHost::Compute(DeviceStream stream, int /*layer*/) {
  if (note_ != nullptr) RETURN_IF_ERROR(note_(stream));
  // An expert's number here is the row of the table that it gives: so the ids of the rows stand
  // where the places of their outputs would.
  return received_.Return(stream,
                          {.places = received_.ids(), .table = outputs_, .table_rows = experts_});
}

void FixedHost::AddSends(int peer, std::int64_t first, std::int64_t pairs,
                         std::vector<RankMessage>& sends) {
  received_.AddSends(peer, first, pairs, sends);
}

}  // namespace sextant::cli
