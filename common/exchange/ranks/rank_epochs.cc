#include "common/exchange/ranks/rank_epochs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant {
namespace {

absl::Status Gone(absl::string_view why) {
  return absl::UnavailableError(
      absl::StrCat("a rank of the epoch is gone; the next epoch goes on: ", why));
}

}  // namespace

absl::Status RankEpochs::Prepare(RankMembership membership) {
  ASSIGN_OR_RETURN(membership.communicator, reaper_.Adopt(std::move(membership.communicator)));
  const MutexLock lock(mutex_);
  const std::uint64_t epoch = membership.epoch;
  if (epoch < halted_before_) {
    return absl::FailedPreconditionError(absl::StrCat("epoch ", epoch, " is over"));
  }
  if (communicators_.try_emplace(epoch, membership.communicator).second) {
    prepared_.emplace(epoch, std::move(membership));
  }
  return absl::OkStatus();
}

void RankEpochs::Halt(std::uint64_t next) {
  const MutexLock lock(mutex_);
  halted_before_ = std::max(halted_before_, next);
  prepared_.erase(prepared_.begin(), prepared_.lower_bound(next));
}

void RankEpochs::EndBefore(std::uint64_t next) {
  Halt(next);
  std::map<std::uint64_t, std::shared_ptr<Communicator>> over;
  {
    const MutexLock lock(mutex_);
    while (!communicators_.empty() && communicators_.begin()->first < next) {
      over.insert(communicators_.extract(communicators_.begin()));
    }
  }
  for (const auto& [epoch, communicator] : over) communicator->Abort();
}

std::optional<RankMembership> RankEpochs::Enter(std::uint64_t epoch) {
  const MutexLock lock(mutex_);
  prepared_.erase(prepared_.begin(), prepared_.lower_bound(epoch));
  const auto found = prepared_.find(epoch);
  if (found == prepared_.end()) return std::nullopt;
  std::optional<RankMembership> membership(std::move(found->second));
  prepared_.erase(found);
  return membership;
}

void RankEpochs::LeaveBefore(std::uint64_t next) {
  const MutexLock lock(mutex_);
  const auto first = communicators_.lower_bound(halted_before_);
  const auto last = communicators_.lower_bound(std::max(halted_before_, next));
  communicators_.erase(first, last);
}

absl::Status RankEpochs::CheckHealth(std::uint64_t epoch, Communicator& communicator) const {
  {
    const MutexLock lock(mutex_);
    if (epoch < halted_before_) return Gone("the epoch was halted");
  }
  const DeviceStatus health = communicator.Health();
  return health.ok() ? absl::OkStatus() : Gone(health.message);
}

}  // namespace sextant
