// The epochs of one rank that are not over, as its control plane and its engine thread share them:
// what each takes, whether its exchanges still count, and when its communicator ends.
//
// Prepare -> Enter -> LeaveBefore is an epoch that ends between two steps. One that a death ends is
// halted, then ended: from Halt on its health fails, so that none of its steps counts, though its
// communicator is sound and what is on the stream waits; EndBefore aborts the communicator. That
// comes when all ranks of the epoch have halted, for what an aborted rank leaves may look to others
// like a message (decision 0009).
//
// Threads:   any; Enter and LeaveBefore the engine thread. A communicator is aborted without the
//            lock, and ends on a thread of its own.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "common/exchange/ranks/communicator.h"
#include "common/exchange/ranks/communicator_reaper.h"
#include "common/exchange/ranks/rank_layout.h"

namespace sextant {

// An epoch that this rank is a member of.
struct RankMembership {
  std::uint64_t epoch = 0;
  // Whose rank is this rank's in the layout. Nobody else keeps it.
  std::shared_ptr<Communicator> communicator;
  RankLayout layout;
};

class RankEpochs {
 public:
  // No-op when it is told twice. Errors: FailedPrecondition for an epoch that has been halted;
  // ResourceExhausted where too many communicators have not ended, and this one ends in the call.
  [[nodiscard]] absl::Status Prepare(RankMembership membership);

  // Epochs before `next` are over: their health fails when this returns.
  void Halt(std::uint64_t next);
  // Halts them, and aborts their communicators.
  void EndBefore(std::uint64_t next);

  // What was prepared for that epoch; nothing if it has been halted meanwhile.
  [[nodiscard]] std::optional<RankMembership> Enter(std::uint64_t epoch);
  // The engine has none of the epochs before `next` on its stream or in a graph any more. Of those
  // that were halted the abort is still to come.
  void LeaveBefore(std::uint64_t next);

  // Unavailable where what `communicator` carries in its epoch counts no more.
  [[nodiscard]] absl::Status CheckHealth(std::uint64_t epoch, Communicator& communicator) const;

 private:
  CommunicatorReaper reaper_;  // ends last

  mutable Mutex mutex_;
  std::uint64_t halted_before_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, RankMembership> prepared_ ABSL_GUARDED_BY(mutex_);  // not entered
  // To be aborted when their epochs end by a death; of epochs that have not been left.
  std::map<std::uint64_t, std::shared_ptr<Communicator>> communicators_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sextant
