// Epochs of ranks: who is in one, and how one ends that cannot have a last step.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "router/coordinator/coordinator.h"

namespace sextant {

bool Coordinator::AreRanks() const { return agreement_.ranks().value_or(false); }

// Somebody may hold experts; and of ranks, somebody attends.
bool Coordinator::CanPlace() const {
  return !Candidates().empty() &&
         (!AreRanks() || HasMember([](const Worker& worker) { return worker.will_attend(); }));
}

// The ranks had an epoch, and are in none now.
bool Coordinator::IsOver() const { return AreRanks() && epoch_ != 0 && ranks_.empty(); }

// Those that have a role with these holders. The others take part in the change all the same: they
// are to hear that the epoch before is over.
std::set<std::string> Coordinator::RanksOf(const HolderLists& holders) const {
  std::set<std::string> ranks;
  if (!AreRanks()) return ranks;
  for (const auto& [id, worker] : workers_) {
    if (worker.will_attend() || IsHolding(holders, id)) ranks.insert(id);
  }
  return ranks;
}

// A rank of the epoch in force is gone: the others wait for it in the middle of a step.
void Coordinator::BreakEpoch() {
  ranks_.clear();
  is_broken_ = true;
  retry_at_ = absl::InfinitePast();
}

// When the first change of this router's life begins, or whoever returns has had the time to. The
// ranks of the newest epoch that anybody held may have come back, all of them, with nothing else
// begun: then it goes on. Else nobody knows what they are in.
void Coordinator::MeetReturned() {
  if (has_met_returned_ || !AreRanks()) return;
  has_met_returned_ = true;
  // Another router may have given the same number to another epoch, when nobody knew of this one.
  const auto holds_newest = [this](const Worker& worker) {
    return worker.hello.newest_epoch() == returned_.epoch() &&
           worker.hello.holding().SerializeAsString() == returned_.SerializeAsString();
  };
  const auto& placed = returned_.ranks();
  const bool goes_on =
      !placed.empty() &&
      std::all_of(placed.begin(), placed.end(), [&](const v1::PlacedWorker& rank) {
        const auto found = workers_.find(rank.worker_id());
        return found != workers_.end() && found->second.started && holds_newest(found->second);
      });
  if (goes_on) {
    for (const v1::PlacedWorker& rank : placed) ranks_.insert(rank.worker_id());
  }
  for (auto& [id, worker] : workers_) {
    if (worker.is_whole() || worker.hello.newest_epoch() == 0) continue;
    if (!goes_on) {
      is_broken_ = true;
    } else if (!holds_newest(worker)) {
      HaltIfLate(worker);
    }
  }
}

// One that joins may be in an epoch that the others have left, or are in without it.
void Coordinator::HaltIfLate(Worker& worker) {
  const std::uint64_t newest = std::max(worker.hello.newest_epoch(), worker.held_epoch);
  if (!has_met_returned_ || !worker.is_rank() || newest == 0) return;
  // To it the number of the change that is to follow is that of another epoch.
  const bool halts = change_.has_value() && change_->phase == EpochChange::Phase::kHalt;
  if (halts && newest >= change_->number) change_->number = ++newest_;
  Halt(worker, newest + 1);
}

// Until it has answered, the rank takes part in nothing; the phase in which all are halted waits.
void Coordinator::Halt(Worker& worker, std::uint64_t before) {
  worker.halting = before;
  worker.halt_deadline = clock_.Now() + config_.halt_limit;
  if (change_.has_value() && change_->phase == EpochChange::Phase::kHalt) {
    change_->participants.insert(worker.id());
    change_->pending.insert(worker.id());
  }
  v1::CoordinatorMessage message;
  message.mutable_halt()->set_before(before);
  output_.Send(worker.stream, message);
}

void Coordinator::OnHalted(Worker& worker, std::uint64_t before) {
  if (worker.halting != before) return;
  worker.halting = 0;
  if (change_.has_value() && change_->phase == EpochChange::Phase::kHalt) {
    change_->pending.erase(worker.id());
  }
}

void Coordinator::EndOverdueHalts(absl::Time now) {
  std::vector<std::string> overdue;
  for (const auto& [id, worker] : workers_) {
    if (worker.halting != 0 && now > worker.halt_deadline) overdue.push_back(id);
  }
  for (const std::string& id : overdue) {
    Remove(id, absl::AbortedError(
                   absl::StrCat("did not halt within ", absl::FormatDuration(config_.halt_limit))));
  }
}

// Everybody who has joined, be its engine still to be built: it may have come back with an epoch.
void Coordinator::StartHalt() {
  EnterPhase(EpochChange::Phase::kHalt, absl::InfiniteDuration());  // each rank has its own limit
  for (auto& [id, worker] : workers_) {
    if (worker.is_rank()) Halt(worker, change_->number);
  }
  Note(absl::StrCat("epoch ", change_->number, " (", change_->cause, "): halt, ",
                    change_->participants.size(), " ranks"));
}

// All are in no epoch now. False: the next one cannot begin yet.
bool Coordinator::FinishHalt() {
  change_status_.set_halt_seconds(LeavePhase());
  is_broken_ = false;
  if (!CanPlace() || (epoch_ == 0 && !IsFirstEpochDue(clock_.Now()))) {
    AbandonChange("workers are missing");
    return false;
  }
  return true;
}

bool Coordinator::MayRankGo(const Worker& worker) const {
  if (worker.started && worker.attends() && !worker.is_drained()) return false;
  if (change_.has_value() || is_broken_ || worker.halting != 0) return false;
  if (!CanPlace()) {
    // No epoch can follow, so the sequences of all that leave end first.
    return std::none_of(ranks_.begin(), ranks_.end(), [this](const std::string& id) {
      const Worker& other = workers_.at(id);
      return other.leaving && other.attends() && !other.is_drained();
    });
  }
  const bool may_be_in_one = !has_met_returned_ && worker.hello.newest_epoch() != 0;
  return !may_be_in_one && !ranks_.contains(worker.id());
}

}  // namespace sextant
