// Where the engine thread of a rank waits for its steps.
//
//   loop:   absl::StatusOr<RankStep> step = gate.Begin(rows, exact);  // has rows
//           ... takes the step with its rows ...
//           gate.End(StepEnd::kDone);
//   or:     gate.Serve();  // has none, or only holds experts
//
// Epochs come and go meanwhile: RankEngine is told in which one the next step is. A step that was
// void, or overflowed, is begun again by another Begin with the same rows. An engine that is a step
// ahead of its device says kDone when a step is on the stream, and begins it again when it turns
// out otherwise, in exact form if it overflowed.
//
// Threads:   Begin, Serve and End: the engine thread, in which they call RankEngine and
//            ConductorLink, without the lock. All others: any thread, at any time.
// Shutdown:  Stop, then abort the communicator if a step may be under way, then join the engine
//            thread, then destroy.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <optional>
#include <variant>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/exchange/ranks/rank_pace.h"
#include "common/exchange/ranks/step_messages.h"

namespace sextant {

// The way to the conductors.
class ConductorLink {
 public:
  virtual ~ConductorLink() = default;

  // To the conductor of offer.epoch, in the order of calls. Does not wait for anything. What cannot
  // arrive is dropped: that the conductor is gone is the control plane's to find out.
  virtual void Send(const StepOffer& offer) = 0;
};

// What the engine does when it is not for rows of its own.
class RankEngine {
 public:
  virtual ~RankEngine() = default;

  // Steps are of this epoch from now on, which has been prepared before. No step is begun and not
  // ended; on the stream there may be some, which end only if the old communicator can be aborted.
  virtual void Enter(std::uint64_t epoch) = 0;

  // No step of an epoch before `next` follows, and none at all before another Enter. As there, the
  // stream may not be empty.
  virtual void Leave(std::uint64_t next) = 0;

  // Takes the step without rows: kDone or kVoid. Errors: the engine cannot go on.
  virtual absl::StatusOr<StepEnd> TakeWithoutRows(const RankStep& step) = 0;
};

enum class Served : std::uint8_t {
  kStep,   // a step was taken without rows
  kWoken,  // Wake was called
};

class StepGate {
 public:
  // Both outlive this.
  StepGate(ConductorLink& link, RankEngine& engine) : link_(link), engine_(engine) {}
  StepGate(const StepGate&) = delete;
  StepGate& operator=(const StepGate&) = delete;

  // Waits until a step has begun in which this rank has `rows` rows, at least one, and takes those
  // without rows that come before it. To be followed by End. Only for a rank that attends.
  // Errors: Unavailable when woken while there is no epoch to take part in: nothing is offered.
  //         Cancelled after Stop. InvalidArgument from a conductor, and what RankEngine returns:
  //         the engine cannot go on.
  [[nodiscard]] absl::StatusOr<RankStep> Begin(std::int64_t rows, bool exact);
  void End(StepEnd end);

  // Waits for a step and takes it without rows, or for Wake. Before it waits, an attention rank
  // tells that it has nothing to do, once. Errors: as Begin but for Unavailable.
  [[nodiscard]] absl::StatusOr<Served> Serve();

  // There is something to look at: ends this Serve, or the next one; and a Begin without an epoch.
  void Wake();
  void Stop();

  // As RankPace.
  void Prepare(const RankEpoch& epoch);
  void EndBefore(std::uint64_t next);
  [[nodiscard]] absl::Status Hear(const StepCall& call);
  [[nodiscard]] absl::Status Hear(const LastStep& last);

  // Waits until the engine has entered `epoch` or a later one, or is in none and has none to enter:
  // RankEngine::Enter or Leave has returned. False: EndBefore of a later epoch, or Stop, came
  // first.
  [[nodiscard]] bool AwaitEntered(std::uint64_t epoch);

 private:
  struct Entered {
    std::uint64_t epoch = 0;
  };
  struct Left {
    std::uint64_t next = 0;
  };
  struct Woken {};
  using Move = std::variant<Entered, Left, StepOffer, TakenStep, Woken>;

  // Under the lock; whoever waits looks again.
  void Change(absl::FunctionRef<void(RankPace& pace)> change);
  // Waits for the next thing to do for an engine with so many rows.
  [[nodiscard]] absl::StatusOr<Move> Next(std::int64_t rows, bool exact);
  // Enters and offers until there is a step to take; none: woken.
  [[nodiscard]] absl::StatusOr<std::optional<TakenStep>> NextStep(std::int64_t rows, bool exact);
  [[nodiscard]] absl::Status TakeWithoutRows(const RankStep& step);
  // The engine has been told what the pace says.
  void Arrive();

  ConductorLink& link_;
  RankEngine& engine_;

  Mutex mutex_;
  std::condition_variable changed_;  // for the engine thread
  std::condition_variable arrived_;  // for AwaitEntered
  RankPace pace_ ABSL_GUARDED_BY(mutex_);
  bool moving_ ABSL_GUARDED_BY(mutex_) = false;             // the engine is entering or leaving
  std::uint64_t ended_before_ ABSL_GUARDED_BY(mutex_) = 0;  // by EndBefore
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace sextant
