// What the engines of SimulatedRanks do.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/unit/common/exchange/ranks/simulated_ranks.h"

namespace sextant {

bool SimulatedRanks::RunEngine(int id) {
  Process& process = At(id);
  if (!process.alive) return false;
  const bool moved = RunStream(id);
  if (moved && pick_(2) == 0) return true;
  if (Confirm(process)) return true;
  return RunHost(id) || moved;
}

bool SimulatedRanks::RunHost(int id) {
  Process& process = At(id);
  switch (process.pace.turn()) {
    case Turn::kOut:
      if (process.batch.empty()) return false;
      process.batch = {};  // woken: nothing is offered any more
      return true;
    case Turn::kLeave:
      if (!std::all_of(process.stream.begin(), process.stream.end(),
                       [](const Launched& launched) { return launched.ended(); })) {
        return false;  // waits for its stream
      }
      process.pace.Leave();
      return true;
    case Turn::kEnter:
      Require(process.pace.Enter());
      return true;
    case Turn::kOffer:
      if (process.stream.size() > 1) return false;  // a step ahead, and no more
      PickBatch(process);
      Offer(id);
      return true;
    case Turn::kWait:
      if (!process.pace.may_raise()) return false;
      PickBatch(process);
      if (process.batch.empty()) return false;
      ++counts_["second offers"];
      Offer(id);
      return true;
    case Turn::kTake:
      Take(id);
      return true;
    case Turn::kStep:
      return false;  // waits for its stream
  }
  return false;
}

void SimulatedRanks::PickBatch(Process& process) {
  if (!process.batch.empty()) return;  // offered before, and not taken
  std::erase_if(process.sequences, [this](std::size_t id) { return sequences_[id].done(); });
  for (const std::size_t id : process.sequences) {
    std::size_t left = sequences_[id].left();
    std::size_t rows = sequences_[id].Next().size();
    for (const Launched& launched : process.stream) {
      std::size_t first_row = 0;
      const SimulatedBatch::Part* part = launched.batch.Find(id, &first_row);
      if (part == nullptr || launched.discarded) continue;
      left -= part->rows;
      rows = 1;
    }
    if (left > 0) process.batch.Add({.sequence = id, .rows = rows}, limits_.most_rows);
  }
}

void SimulatedRanks::Offer(int id) {
  Process& process = At(id);
  const SimulatedBatch& batch = process.batch;
  // At times the sequences come just after the offer.
  const bool late = !process.pace.may_raise() && pick_(6) == 0;
  const bool exact = !batch.empty() && (batch.exact || process.overflowed);
  const StepOffer offer = late ? process.pace.Offer(0, false)
                               : process.pace.Offer(static_cast<std::int64_t>(batch.rows), exact);
  net_.Send(id, control_.epoch(offer.epoch).conductor(), offer);
}

void SimulatedRanks::Take(int id) {
  Process& process = At(id);
  const std::uint64_t epoch = process.pace.epoch();
  const TakenStep taken = process.pace.Take();
  const StepName name(epoch, taken.step.number);
  const std::string text =
      absl::StrCat("process ", id, " takes step ", taken.step.number, " of epoch ", epoch);
  const bool next = epoch > process.newest.first
                        ? taken.step.number == 1
                        : epoch == process.newest.first && name.second == process.newest.second + 1;
  Require(next, absl::StrCat(text, " after ", process.newest.second, " of ", process.newest.first));
  process.newest = name;
  const auto called = called_.find(name);
  Require(called != called_.end() && called->second.step == taken.step,
          absl::StrCat(text, " otherwise than it began"));
  const auto last = last_steps_.find(epoch);
  Require(last == last_steps_.end() || taken.step.number <= last->second,
          absl::StrCat(text, " after the last"));

  Launched launched{.epoch = &control_.epoch(epoch), .step = taken.step, .batch = {}};
  if (taken.rows > 0) {
    launched.batch = std::exchange(process.batch, {});
    if (taken.step.form == RankStepForm::kExact) process.overflowed = false;
  } else if (!process.batch.empty()) {
    ++counts_["steps without rows that came late"];
    if (bug == PlantedBug::kForgetRows) {
      std::erase(process.sequences, process.batch.parts.front().sequence);
      process.batch = {};
    }
  }
  process.stream.push_back(std::move(launched));
  if (process.ahead && taken.rows > 0 && taken.step.form == RankStepForm::kSlots) {
    if (process.stream.size() > 1) ++counts_["steps ahead"];
    process.pace.End(StepEnd::kDone);
  }
}

bool SimulatedRanks::RunStream(int id) {
  Process& process = At(id);
  const auto running = std::find_if(process.stream.begin(), process.stream.end(),
                                    [](const Launched& launched) { return !launched.ended(); });
  if (running == process.stream.end()) return false;
  SimulatedEpoch& epoch = *running->epoch;
  const bool begins = !running->walk.has_value();
  if (begins) {
    running->walk.emplace(epoch, epoch.RankOf(id), running->step, RowsFor(process, *running),
                          violations_);
  }
  if (process.aborted_before > epoch.number()) {
    running->walk->RunOut();
    running->aborted = true;
    return true;
  }
  return begins || running->walk->Advance();
}

// What the steps before it on the stream have left counts, whatever it is.
std::vector<std::uint64_t> SimulatedRanks::RowsFor(const Process& process,
                                                   const Launched& launched) const {
  std::vector<std::uint64_t> rows;
  for (const SimulatedBatch::Part& part : launched.batch.parts) {
    std::vector<std::uint64_t> next = sequences_[part.sequence].Next();
    for (const Launched& before : process.stream) {
      if (&before == &launched) break;
      std::size_t first_row = 0;
      const SimulatedBatch::Part* found = before.batch.Find(part.sequence, &first_row);
      if (found == nullptr || before.discarded || !before.walk.has_value()) continue;
      next = {before.walk->rows()[first_row + found->rows - 1]};
    }
    next.resize(part.rows);
    rows.insert(rows.end(), next.begin(), next.end());
  }
  return rows;
}

bool SimulatedRanks::Confirm(Process& process) {
  if (process.stream.empty() || !process.stream.front().ended()) return false;
  const Launched front = std::move(process.stream.front());
  process.stream.pop_front();
  const bool waited = process.stream.empty() && process.pace.turn() == Turn::kStep;

  if (front.walk->garbled()) ++counts_["steps with garbage"];
  bool overflowed = false;
  StepEnd end = StepEnd::kDone;
  // Also where it has ended well.
  if (process.halted_before > front.epoch->number()) {
    end = StepEnd::kVoid;
    ++counts_["void steps"];
  } else if (front.walk->overflowed()) {
    overflowed = true;
    ++counts_["overflows"];
  }
  if (end == StepEnd::kVoid && bug == PlantedBug::kTrustAborted) {
    end = StepEnd::kDone;
  }
  if (!front.batch.empty() && !front.discarded) {
    if (end == StepEnd::kDone && !overflowed) {
      front.batch.Apply(front.walk->rows(), sequences_);
    } else {
      process.overflowed = process.overflowed || overflowed;
      for (Launched& later : process.stream) later.discarded = true;
    }
  }
  if (waited) process.pace.End(end);
  return true;
}

}  // namespace sextant
