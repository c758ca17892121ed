#include "common/exchange/ranks/step_gate.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant {

absl::StatusOr<RankStep> StepGate::Begin(std::int64_t rows, bool exact) {
  CHECK_GE(rows, 1);
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<TakenStep> taken, NextStep(rows, exact));
    if (!taken.has_value()) return absl::UnavailableError("no epoch to take part in");
    if (taken->rows > 0) {
      CHECK_EQ(taken->rows, rows);
      return taken->step;
    }
    RETURN_IF_ERROR(TakeWithoutRows(taken->step));
  }
}

absl::StatusOr<Served> StepGate::Serve() {
  ASSIGN_OR_RETURN(const std::optional<TakenStep> taken, NextStep(0, false));
  if (!taken.has_value()) return Served::kWoken;
  CHECK_EQ(taken->rows, 0);
  RETURN_IF_ERROR(TakeWithoutRows(taken->step));
  return Served::kStep;
}

absl::Status StepGate::TakeWithoutRows(const RankStep& step) {
  const absl::StatusOr<StepEnd> end = engine_.TakeWithoutRows(step);
  End(end.value_or(StepEnd::kVoid));
  return end.status();
}

absl::StatusOr<std::optional<TakenStep>> StepGate::NextStep(std::int64_t rows, bool exact) {
  while (true) {
    ASSIGN_OR_RETURN(const Move move, Next(rows, exact));
    if (const auto* entered = std::get_if<Entered>(&move)) {
      engine_.Enter(entered->epoch);
      Arrive();
    } else if (const auto* left = std::get_if<Left>(&move)) {
      engine_.Leave(left->next);
      Arrive();
    } else if (const auto* offer = std::get_if<StepOffer>(&move)) {
      link_.Send(*offer);
    } else if (const auto* taken = std::get_if<TakenStep>(&move)) {
      return *taken;
    } else {
      return std::nullopt;
    }
  }
}

absl::StatusOr<StepGate::Move> StepGate::Next(std::int64_t rows, bool exact) {
  MutexLock lock(mutex_);
  while (true) {
    if (stopped_) return absl::CancelledError("the gate was stopped");
    const Turn turn = pace_.turn();
    CHECK(turn != Turn::kStep);
    if (turn == Turn::kEnter) {
      moving_ = true;
      RETURN_IF_ERROR(pace_.Enter());
      return Entered{pace_.epoch()};
    }
    if (turn == Turn::kLeave) {
      moving_ = true;
      pace_.Leave();
      return Left{pace_.first()};
    }
    if (turn == Turn::kTake) return pace_.Take();
    // Before an offer of no rows: whoever is woken may have some.
    if ((rows == 0 || turn == Turn::kOut) && std::exchange(woken_, false)) return Woken{};
    if (turn == Turn::kOffer || (rows > 0 && pace_.may_raise())) return pace_.Offer(rows, exact);
    lock.Wait(changed_);
  }
}

void StepGate::Arrive() {
  {
    const MutexLock lock(mutex_);
    moving_ = false;
  }
  arrived_.notify_all();
}

bool StepGate::AwaitEntered(std::uint64_t epoch) {
  MutexLock lock(mutex_);
  while (true) {
    if (!moving_ && pace_.epoch() >= epoch) return true;
    if (stopped_ || ended_before_ > epoch) return false;
    if (!moving_ && pace_.out()) return true;
    lock.Wait(arrived_);
  }
}

void StepGate::End(StepEnd end) {
  const MutexLock lock(mutex_);
  pace_.End(end);
}

void StepGate::Wake() {
  {
    const MutexLock lock(mutex_);
    woken_ = true;
  }
  changed_.notify_one();
}

void StepGate::Stop() {
  {
    const MutexLock lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_one();
  arrived_.notify_all();
}

void StepGate::Change(absl::FunctionRef<void(RankPace& pace)> change) {
  {
    const MutexLock lock(mutex_);
    change(pace_);
  }
  changed_.notify_one();
}

void StepGate::Prepare(const RankEpoch& epoch) {
  Change([&epoch](RankPace& pace) { pace.Prepare(epoch); });
}

void StepGate::EndBefore(std::uint64_t next) {
  {
    const MutexLock lock(mutex_);
    ended_before_ = std::max(ended_before_, next);
    pace_.EndBefore(next);
  }
  changed_.notify_one();
  arrived_.notify_all();
}

absl::Status StepGate::Hear(const StepCall& call) {
  absl::Status heard;
  Change([&](RankPace& pace) { heard = pace.Hear(call); });
  return heard;
}

absl::Status StepGate::Hear(const LastStep& last) {
  absl::Status heard;
  Change([&](RankPace& pace) { heard = pace.Hear(last); });
  return heard;
}

}  // namespace sextant
