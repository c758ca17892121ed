// What one rank may do now: its part in the steps of one epoch after the other.
//
// An attention rank makes one offer after each step that it took part in. With an offer of no rows
// it has nothing to do; it may make a second one, with rows, until the step begins. The conductor
// calls all ranks to the step; a rank whose second offer it did not see is called without rows, and
// offers them again for the next step. A rank that only holds experts waits for calls.
//
//   attends:     kOut -> kEnter -> kOffer -> kWait -> kTake -> kStep -> kOffer ...
//   holds only:  kOut -> kEnter -> kWait -> kTake -> kStep -> kWait ...
//
// An epoch ends in one of two ways. Between steps: the conductor names the last step, and a rank
// that has done it goes on to the next epoch. By a death: EndBefore; what is under way is void
// unless it is known to have ended well, and the rank keeps all that it needs to offer it again.
// Either way what was offered in the old epoch counts nowhere, and nothing that is said in an epoch
// reaches another one. What is said in an epoch that this rank has not entered yet is kept. Where
// no other epoch is prepared by then, the rank leaves: kEnter or kLeave -> kOut.
//
// Threads:   one at a time, without locks, clocks or waiting. Calls that turn() does not allow are
//            bugs of the caller and abort.
// Errors:    of Hear and Enter: InvalidArgument for what no sound conductor says, ResourceExhausted
//            for more early epochs than can be under way; it changes nothing, and whoever hears it
//            must give the epoch up. Messages that come late or twice are none of these: they are
//            passed over.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/exchange/ranks/step_messages.h"

namespace sextant {

// An epoch as one of its ranks sees it.
struct RankEpoch {
  std::uint64_t number = 0;           // from 1; later epochs have higher numbers
  int attention_ranks = 0;            // A
  std::optional<int> attention = {};  // which of them this rank is; none: it only holds experts
};

enum class Turn : std::uint8_t {
  kOut,    // there is no epoch to take part in: wait
  kLeave,  // the epoch is over, and no other one is prepared: Leave
  kEnter,  // there is one: Enter
  kOffer,  // everybody waits for this rank's offer, also for one without rows: Offer
  kWait,   // wait for a call; Offer once more if may_raise()
  kTake,   // called: Take
  kStep,   // in a step: End
};

enum class StepEnd : std::uint8_t {
  kDone,  // this rank has done its part
  kVoid,  // the communicator was aborted: results are good for nothing
};

struct TakenStep {
  RankStep step;
  std::int64_t rows = 0;  // as offered, or 0: the step is taken without rows
};

class RankPace {
 public:
  // From the control plane: this rank is a member of that epoch and all it takes is ready. It is
  // entered once the one before it is over, at once by a rank that was in none. No-op when it is
  // told twice or too late.
  void Prepare(const RankEpoch& epoch);

  // From the control plane: all epochs before `next` are over, whatever is under way in them. What
  // waits for others goes on only when their communicators are aborted.
  void EndBefore(std::uint64_t next);

  // From the conductor of the epoch that is named there.
  [[nodiscard]] absl::Status Hear(const StepCall& call);
  [[nodiscard]] absl::Status Hear(const LastStep& last);

  [[nodiscard]] Turn turn() const;
  // The epoch that was entered last, 0 before the first one.
  [[nodiscard]] std::uint64_t epoch() const { return epoch_.number; }
  // Epochs before it are over.
  [[nodiscard]] std::uint64_t first() const { return first_; }
  // Is in no epoch and will enter none of those that it has heard of.
  [[nodiscard]] bool out() const { return !inside_ && prepared_.empty(); }
  // Waits with an offer of no rows.
  [[nodiscard]] bool may_raise() const;

  // Enters the next epoch. Errors: what was said in it before does not fit to it.
  [[nodiscard]] absl::Status Enter();

  // At kLeave. At kEnter there is no need to: who enters leaves.
  void Leave();

  // At kOffer, or with rows when may_raise(): what to tell the conductor. `exact` is for rows
  // alone: a prompt is among them, or they did not fit into slots before.
  [[nodiscard]] StepOffer Offer(std::int64_t rows, bool exact);

  [[nodiscard]] TakenStep Take();

  // After kVoid this rank takes no further step of the epoch, whose end it waits for.
  void End(StepEnd end);

 private:
  // What the conductor of an epoch has said.
  struct Heard {
    std::optional<StepCall> newest;
    std::deque<StepCall> waiting;  // called and not taken, ascending
    std::optional<LastStep> last;
  };

  [[nodiscard]] absl::Status CheckMine(const StepCall& call) const;
  [[nodiscard]] bool over() const { return first_ > epoch_.number; }
  void LeaveIfLast();
  // Where to keep what is said in an epoch; null: it is over. Errors: ResourceExhausted.
  [[nodiscard]] absl::StatusOr<Heard*> Find(std::uint64_t epoch);

  RankEpoch epoch_;
  bool inside_ = false;      // it has not been left
  std::uint64_t first_ = 1;  // epochs before it are over
  std::uint64_t taken_ = 0;  // number of the last step that this rank was in
  std::optional<StepOffer> offer_;
  bool raised_ = false;  // it is a second one
  std::optional<TakenStep> running_;
  bool aborted_ = false;

  std::map<std::uint64_t, RankEpoch> prepared_;  // later epochs
  std::map<std::uint64_t, Heard> heard_;         // in this epoch and in later ones
};

}  // namespace sextant
