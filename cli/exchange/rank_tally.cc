#include "cli/exchange/rank_tally.h"

#include "common/base/status.h"

namespace sextant::cli {
namespace {

constexpr const char* kNumbers = "the numbers of all ranks";
constexpr std::int64_t kBytes = sizeof(std::int64_t);

}  // namespace

absl::StatusOr<std::unique_ptr<RankTally>> RankTally::Create(const GpuStream& stream,
                                                             Communicator& communicator) {
  std::unique_ptr<RankTally> tally(new RankTally(stream, communicator));
  const std::int64_t bytes = (1 + communicator.size()) * kBytes;
  ASSIGN_OR_RETURN(tally->memory_,
                   GpuMemory::Allocate(stream.gpu(), GpuMemory::Place::kDevice, bytes, kNumbers));
  ASSIGN_OR_RETURN(tally->pinned_, GpuMemory::Allocate(stream.gpu(), GpuMemory::Place::kPinnedHost,
                                                       bytes, kNumbers));
  return tally;
}

absl::StatusOr<std::vector<std::int64_t>> RankTally::Gather(std::int64_t mine) {
  const int size = communicator_.size();
  const DeviceStream stream = stream_.handle();
  auto* const on_host = reinterpret_cast<std::int64_t*>(pinned_.data());
  auto* const on_device = reinterpret_cast<std::int64_t*>(memory_.data());
  *on_host = mine;
  std::vector<RankMessage> sends;
  std::vector<RankMessage> receives;
  for (int rank = 0; rank < size; ++rank) {
    sends.push_back({.peer = rank, .data = on_device, .bytes = kBytes});
    receives.push_back({.peer = rank, .data = on_device + 1 + rank, .bytes = kBytes});
  }
  GpuDriver& gpu = stream_.gpu();
  RETURN_IF_ERROR(ToStatus(gpu.CopyIn(stream, on_device, on_host, kBytes), kNumbers));
  RETURN_IF_ERROR(ToStatus(communicator_.Exchange(stream, sends, receives), kNumbers));
  RETURN_IF_ERROR(
      ToStatus(gpu.CopyOut(stream, on_host + 1, on_device + 1, size * kBytes), kNumbers));
  RETURN_IF_ERROR(stream_.Synchronize());
  RETURN_IF_ERROR(ToStatus(communicator_.Health(), kNumbers));
  return std::vector<std::int64_t>(on_host + 1, on_host + 1 + size);
}

}  // namespace sextant::cli
