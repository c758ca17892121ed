// The conductors of a process, and the ranks that attend to them: what ranks offer goes to the
// conductor of their epoch, and each rank is told all that it says, once and in order, however late
// it comes and however often it has to come again.
//
// A rank may come before this process knows the epoch; it then waits, and nothing is read from it.
// Each rank has a place of its own in what was said (said_steps.h), from which it takes the next
// message when it can send one; so nobody waits for a rank that is slow or dead.
//
// Bounds:    kMostRanks of an epoch; kMostKept epochs that have ended and have ranks that have not
//            heard so; kMostIdWaits. Whoever calls bounds the number of ranks that come.
// Threads:   any. Listeners are called without the lock, on the thread whose call gave the reason.
// Errors:    InvalidArgument for what no rank of the epoch says, AlreadyExists for a second stream
//            of a rank, Aborted when a later one has taken its place, FailedPrecondition when the
//            epoch is over, DataLoss for a rank that is too far behind, ResourceExhausted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/exchange/ranks/conductors.h"
#include "common/exchange/ranks/rank_layout.h"
#include "common/exchange/ranks/said_steps.h"
#include "common/exchange/ranks/step_messages.h"

namespace sextant {

// One stream of a rank. Of two streams of a rank in an epoch the one with the higher attempt
// counts.
struct RankSeat {
  std::uint64_t epoch = 0;
  int rank = 0;               // in [0, N)
  std::uint64_t attempt = 0;  // from 1
};

struct RankNews {
  // Nothing, so far; a message; or the end: nothing else follows.
  std::variant<std::monostate, StepCall, LastStep, absl::Status> what;
  bool conducted = false;  // offers may be made
};

// Both are called any number of times, from any thread, and must not wait.
class RankListener {
 public:
  virtual ~RankListener() = default;
  // TakeNews has something new.
  virtual void OnNews() = 0;
};
class IdListener {
 public:
  virtual ~IdListener() = default;
  virtual void OnId(const absl::StatusOr<std::string>& id) = 0;
};

class ConductorHost {
 public:
  static constexpr int kMostRanks = 4096;
  static constexpr std::size_t kMostKept = 16;
  static constexpr std::size_t kMostIdWaits = 256;

  explicit ConductorHost(const ConductedLimits& limits) : conductors_(limits) {}

  // From the control plane: this process conducts that epoch, whose communicator has this id. No-op
  // when it is told twice or too late.
  void Conduct(std::uint64_t epoch, const RankLayout& layout, std::string id);
  // From the control plane, as of Conductors. Needs next > epoch.
  void Switch(std::uint64_t epoch, std::uint64_t next);
  void EndBefore(std::uint64_t next);

  // A stream of a rank, which has heard the calls up to that number from others before it. What
  // there is from the start is taken by TakeNews; of what comes later `listener` is told.
  [[nodiscard]] absl::Status Come(const RankSeat& seat, std::uint64_t heard,
                                  std::shared_ptr<RankListener> listener);
  // What that stream is to be told next.
  [[nodiscard]] RankNews TakeNews(const RankSeat& seat);
  // What it offers, after TakeNews has said that it may; offer.epoch and offer.attention do not
  // count, the seat says both. Passed over when another stream has taken its place.
  [[nodiscard]] absl::Status Hear(const RankSeat& seat, StepOffer offer);
  // It has ended. When it has been told the last step, and says that it has heard it, all that was
  // kept for the rank is forgotten.
  void Leave(const RankSeat& seat, bool heard_last);

  // Tells the id of the epoch's communicator, at once or when it is known.
  void WaitForId(std::uint64_t epoch, std::shared_ptr<IdListener> listener);
  // It is not told from now on, unless it is being told.
  void StopWaiting(const IdListener* listener);

 private:
  struct Rank {
    std::uint64_t attempt = 0;
    std::shared_ptr<RankListener> listener;  // null: there is no stream
    std::uint64_t heard = 0;                 // the newest call that the stream was given
    bool told_last = false;
    bool done = false;                        // has heard the last step
    absl::Status refused = absl::OkStatus();  // it turned out to be none of the epoch's
  };
  struct Epoch {
    bool conducted = false;
    std::vector<int> attention;  // [N], -1: holds experts alone; once conducted, as is the next
    std::string id;
    SaidSteps said;
    std::map<int, Rank> ranks;  // those that have come
  };
  // Whom to call once the lock is released.
  struct Calls {
    std::vector<std::shared_ptr<RankListener>> news;
    std::vector<std::shared_ptr<IdListener>> ids;

    void Make(const absl::StatusOr<std::string>& id) const;
  };

  [[nodiscard]] static absl::Status CheckRank(const Epoch& epoch, int rank, std::uint64_t heard);
  static void TellAll(const Epoch& epoch, Calls& calls);
  // Null: another stream has its place, or the epoch is over.
  [[nodiscard]] Rank* Find(const RankSeat& seat) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Epochs before `next` are over; those whose last step was said are kept, or not.
  void End(std::uint64_t next, bool keep_said, Calls& calls) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  Conductors conductors_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t first_ ABSL_GUARDED_BY(mutex_) = 1;  // epochs before it begin no steps
  std::map<std::uint64_t, Epoch> epochs_ ABSL_GUARDED_BY(mutex_);
  std::multimap<std::uint64_t, std::shared_ptr<IdListener>> id_waits_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sextant
