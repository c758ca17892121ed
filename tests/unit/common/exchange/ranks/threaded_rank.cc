#include "tests/unit/common/exchange/ranks/threaded_rank.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

namespace sextant {

ThreadedRank::ThreadedRank(ThreadedRanks& all, int process, bool attending, bool holding)
    : id(process),
      attends(attending),
      holds(holding),
      gate(*this, *this),
      all_(all),
      conductors_(all.limits_) {
  if (all.make_wire_ == nullptr) return;
  wire_ = all.make_wire_(process, gate, [&all](const absl::Status& status) {
    const Lock lock(all.mutex_);
    all.Require(status);
    all.changed_.notify_all();
  });
}

void ThreadedRank::Run() {
  absl::Status status;
  while (status.ok() || status.code() == absl::StatusCode::kUnavailable) {
    const SimulatedBatch batch = PickBatch();
    if (batch.empty()) {
      status = gate.Serve().status();
      continue;
    }
    const auto step = gate.Begin(static_cast<std::int64_t>(batch.rows), batch.exact || overflowed_);
    if (step.ok()) gate.End(Walk(*step, batch));
    status = step.status();
  }
  const Lock lock(all_.mutex_);
  if (status.code() != absl::StatusCode::kCancelled) all_.Require(status);
}

SimulatedBatch ThreadedRank::PickBatch() {
  const Lock lock(all_.mutex_);
  if (draining) all_.TakeSequencesFrom(*this);
  std::erase_if(sequences, [this](std::size_t one) { return all_.sequences_[one].done(); });
  SimulatedBatch batch;
  for (const std::size_t one : sequences) {
    batch.Add({.sequence = one, .rows = all_.sequences_[one].Next().size()},
              all_.limits_.most_rows);
  }
  return batch;
}

StepEnd ThreadedRank::Walk(const RankStep& step, const SimulatedBatch& batch) {
  Lock lock(all_.mutex_);
  SimulatedEpoch& epoch = all_.control_.epoch(epoch_);
  std::vector<std::uint64_t> rows;
  for (const SimulatedBatch::Part& part : batch.parts) {
    const std::vector<std::uint64_t> next = all_.sequences_[part.sequence].Next();
    rows.insert(rows.end(), next.begin(), next.end());
  }
  SimulatedStep walk(epoch, epoch.RankOf(id), step, std::move(rows), all_.violations_);
  while (!walk.finished()) {
    if (!alive || aborted_before_ > epoch_) {
      ++all_.counts_["void steps"];
      if (alive) walk.RunOut();
      all_.changed_.notify_all();
      return StepEnd::kVoid;
    }
    if (walk.Advance()) {
      all_.changed_.notify_all();
      // Others have their turn in the middle of it.
      lock.unlock();
      lock.lock();
    } else {
      all_.changed_.wait(lock);
    }
  }
  if (!alive || halted_before_ > epoch_) return StepEnd::kVoid;
  ++all_.counts_[walk.overflowed() ? "overflows" : "steps done"];
  if (!batch.empty()) overflowed_ = walk.overflowed();
  if (walk.overflowed()) return StepEnd::kDone;
  batch.Apply(walk.rows(), all_.sequences_);
  all_.results_ += static_cast<int>(batch.rows);
  all_.changed_.notify_all();
  return StepEnd::kDone;
}

void ThreadedRank::Send(const StepOffer& offer) {
  if (wire_ != nullptr) return wire_->Send(offer);
  const Lock lock(all_.mutex_);
  if (!alive) return;
  all_.net_.Send(id, all_.control_.epoch(offer.epoch).conductor(), offer);
  all_.changed_.notify_all();
}

void ThreadedRank::Hear(const SimulatedMessage& message) {
  if (const auto* call = std::get_if<StepCall>(&message)) {
    const absl::Status heard = gate.Hear(*call);
    const Lock lock(all_.mutex_);
    all_.Require(heard);
  } else if (const auto* last = std::get_if<LastStep>(&message)) {
    const absl::Status heard = gate.Hear(*last);
    const Lock lock(all_.mutex_);
    all_.Require(heard);
  } else if (const auto* offer = std::get_if<StepOffer>(&message)) {
    const Lock lock(all_.mutex_);
    BroadcastIfBegun(conductors_.Hear(*offer));
  } else if (const auto* prepare = std::get_if<PrepareEpoch>(&message)) {
    Prepare(prepare->epoch);
  } else if (const auto* halt = std::get_if<HaltEpochsBefore>(&message)) {
    Halt(halt->next);
    const Lock lock(all_.mutex_);
    all_.net_.Send(id, kControlPlane, EpochsHalted{halt->next, id});
  } else if (const auto* end = std::get_if<EndEpochsBefore>(&message)) {
    EndBefore(end->next);
  } else {
    const auto& change = std::get<SwitchEpoch>(message);
    if (wire_ != nullptr) return wire_->Switch(change.epoch, change.next);
    const Lock lock(all_.mutex_);
    const auto closed = conductors_.Switch(change.epoch, change.next);
    if (closed.has_value()) all_.Broadcast(id, change.epoch, *closed);
  }
}

void ThreadedRank::Prepare(std::uint64_t number) {
  RankEpoch mine{.number = number};
  if (wire_ != nullptr) PrepareWire(number);
  {
    const Lock lock(all_.mutex_);
    const SimulatedEpoch& epoch = all_.control_.epoch(number);
    const int attention = epoch.AttentionOf(id);
    if (attention >= 0) mine.attention = attention;
    mine.attention_ranks = static_cast<int>(epoch.layout().attention_ranks().size());
    if (wire_ == nullptr && epoch.conductor() == id) {
      BroadcastIfBegun(conductors_.Conduct(
          {.number = number,
           .attention_ranks = mine.attention_ranks,
           .expert_ranks = static_cast<int>(epoch.layout().expert_ranks().size())}));
    }
  }
  gate.Prepare(mine);
  const Lock lock(all_.mutex_);
  all_.net_.Send(id, kControlPlane, EpochPrepared{number, id});
}

void ThreadedRank::PrepareWire(std::uint64_t number) {
  const SimulatedEpoch* epoch = nullptr;
  {
    const Lock lock(all_.mutex_);
    epoch = &all_.control_.epoch(number);  // whose layout does not change
  }
  if (epoch->conductor() == id) wire_->Conduct(number, epoch->layout());
  wire_->Prepare(number, epoch->RankOf(id), epoch->conductor());
}

void ThreadedRank::Halt(std::uint64_t next) {
  if (wire_ != nullptr) wire_->EndBefore(next);
  {
    const Lock lock(all_.mutex_);
    halted_before_ = std::max(halted_before_, next);
    conductors_.EndBefore(next);
  }
  gate.EndBefore(next);
}

void ThreadedRank::EndBefore(std::uint64_t next) {
  Halt(next);
  {
    const Lock lock(all_.mutex_);
    aborted_before_ = std::max(aborted_before_, next);
  }
  all_.changed_.notify_all();
}

void ThreadedRank::BroadcastIfBegun(const absl::StatusOr<std::optional<StepCall>>& begun) {
  all_.Require(begun.status());
  if (begun.ok() && begun->has_value()) all_.Broadcast(id, (*begun)->epoch, **begun);
}

}  // namespace sextant
