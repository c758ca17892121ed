#include "tests/support/ranks/fake_rank_network.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace sextant {
namespace {

constexpr std::chrono::milliseconds kLookUp{2};

}  // namespace

std::string FakeMeetings::MakeId() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::string id = absl::StrCat("meeting ", meetings_.size() + 1);
  meetings_.try_emplace(id);
  return id;
}

absl::StatusOr<std::unique_ptr<Communicator>> FakeMeetings::Open(const RankOpening& opening,
                                                                 EmulatedGpu& gpu) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto found = meetings_.find(opening.id);
  if (found == meetings_.end()) {
    return absl::InvalidArgumentError(absl::StrCat("nobody made the id '", opening.id, "'"));
  }
  Meeting& meeting = found->second;
  if (meeting.network == nullptr) meeting.network = std::make_unique<FakeNetwork>(opening.size);
  if (meeting.network->size() != opening.size || opening.rank < 0 || opening.rank >= opening.size ||
      !meeting.came.insert(opening.rank).second) {
    return absl::InvalidArgumentError(
        absl::StrCat("rank ", opening.rank, " of ", opening.size, " does not fit"));
  }
  changed_.notify_all();
  const auto all_came = [&] {
    return meeting.came.size() == static_cast<std::size_t>(opening.size);
  };
  const absl::Time deadline = absl::Now() + opening.timeout;
  while (!changed_.wait_for(lock, kLookUp, all_came)) {
    if (opening.cancelled != nullptr && *opening.cancelled) {
      return absl::CancelledError("nobody waits for the ranks any more");
    }
    if (absl::Now() < deadline) continue;
    return absl::DeadlineExceededError(absl::StrCat(meeting.came.size(), " of ", opening.size,
                                                    " ranks came within ",
                                                    absl::FormatDuration(opening.timeout)));
  }
  return meeting.network->Join(opening.rank, gpu);
}

absl::StatusOr<std::unique_ptr<Communicator>> FakeRankNetwork::Open(const RankOpening& opening) {
  EmulatedGpu* const gpu = find_gpu_();
  if (gpu == nullptr) return absl::InvalidArgumentError("the GPU is not open");
  return meetings_.Open(opening, *gpu);
}

}  // namespace sextant
