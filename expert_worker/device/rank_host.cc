#include "expert_worker/device/rank_host.h"

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/device/arena_carver.h"

namespace sextant {

std::int64_t RankHost::Bytes(const ModelConfig& config, std::int64_t slots,
                             const ReceivedRows::Sizes& sizes) {
  return ReceivedRows::Bytes(config, sizes) + GroupedExperts::Bytes(config, slots, sizes.rows);
}

absl::StatusOr<std::unique_ptr<RankHost>> RankHost::Create(const GpuStream& stream,
                                                           const CudaKernels& kernels,
                                                           const ModelConfig& config,
                                                           const DeviceExperts& experts,
                                                           const ReceivedRows::Sizes& sizes) {
  ASSIGN_OR_RETURN(GpuMemory memory, GpuMemory::Allocate(stream.gpu(), GpuMemory::Place::kDevice,
                                                         Bytes(config, experts.slots(), sizes),
                                                         "the rows of other GPUs"));
  ArenaCarver carver(memory.data());
  ASSIGN_OR_RETURN(ReceivedRows received,
                   ReceivedRows::Create(stream, kernels, config, sizes, carver));
  GroupedExperts grouped(kernels, config, experts, sizes.rows, carver);
  return std::unique_ptr<RankHost>(
      new RankHost(stream, experts, std::move(memory), std::move(received), std::move(grouped)));
}

absl::Status RankHost::Check(const RankLayout& layout, int destination) const {
  RETURN_IF_ERROR(received_.CheckSources(layout));
  const int rank = layout.expert_ranks()[static_cast<std::size_t>(destination)];
  for (const std::int32_t expert : layout.role(rank).experts) {
    if (experts_.SlotOf(expert).has_value()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("rank ", rank, " is to compute expert ", expert, ", which is not on its GPU"));
  }
  return absl::OkStatus();
}

absl::Status RankHost::Use(const RankLayout& layout, int destination) {
  received_.Use(layout);
  const int rank = layout.expert_ranks()[static_cast<std::size_t>(destination)];
  return grouped_.Use(stream_, layout.role(rank).experts);
}

absl::Status RankHost::ExpectSlots(const RankStep& step) { return received_.ExpectSlots(step); }

absl::Status RankHost::ExpectExactly(DeviceStream stream, absl::Span<const RankCounts> counts) {
  return received_.ExpectExactly(stream, counts);
}

void RankHost::AddReceives(int peer, std::int64_t first, std::int64_t rows,
                           std::vector<RankMessage>& receives) {
  received_.AddReceives(peer, first, rows, receives);
}

absl::Status RankHost::Compute(DeviceStream stream, int layer) {
  if (received_.count() == 0) return absl::OkStatus();
  RETURN_IF_ERROR(grouped_.Run(stream, {.layer = layer,
                                        .rows = received_.rows(),
                                        .local_ids = received_.ids(),
                                        .count = received_.count()}));
  return received_.Return(stream, {.places = grouped_.places(),
                                   .table = grouped_.outputs(),
                                   .table_rows = grouped_.most_places()});
}

void RankHost::AddSends(int peer, std::int64_t first, std::int64_t pairs,
                        std::vector<RankMessage>& sends) {
  received_.AddSends(peer, first, pairs, sends);
}

}  // namespace sextant
