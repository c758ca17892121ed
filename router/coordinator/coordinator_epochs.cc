#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "router/coordinator/coordinator.h"
#include "router/coordinator/placed_workers.h"

namespace sextant {
namespace {

v1::Placement PlacementOf(const EpochChange& change, const WorkerTable& workers) {
  v1::Placement placement;
  placement.set_epoch(change.number);
  for (const auto& [id, worker] : workers) {
    const std::vector<std::int32_t> experts = ExpertsOf(change.holders, id);
    const bool is_rank = change.ranks.contains(id);
    if (experts.empty() && !is_rank) continue;
    v1::PlacedWorker& placed = is_rank ? *placement.add_ranks() : *placement.add_expert_workers();
    placed.set_attends(is_rank && worker.will_attend());
    placed.set_worker_id(id);
    *placed.mutable_endpoint() = worker.hello.endpoint();
    placed.mutable_experts()->Add(experts.begin(), experts.end());
  }
  return placement;
}

}  // namespace

// Everything that may have become possible by an input.
void Coordinator::Advance() {
  const auto is_over = [this](EpochChange::Phase phase) {
    return change_.has_value() && change_->phase == phase && change_->pending.empty();
  };
  if (is_over(EpochChange::Phase::kHalt) && FinishHalt()) StartPrepare();
  if (is_over(EpochChange::Phase::kPrepare)) StartCommit();
  if (is_over(EpochChange::Phase::kCommit)) StartRetire();
  if (is_over(EpochChange::Phase::kRetire)) FinishChange();
  if (clock_.Now() - first_hello_ >= config_.return_limit) MeetReturned();
  LetGo();
  // Whoever comes back is halted then.
  if (is_broken_) is_broken_ = HasMember([](const Worker& worker) { return worker.is_rank(); });
  SendSurplusAway();
  AdoptSettings();
  if (!change_.has_value() && IsChangeDue(clock_.Now())) BeginChange();
  FinishReachedGoals();
  SendOrdersIfNew();
  UpdateDirectory();
  UpdateCover();
}

bool Coordinator::IsChangeDue(absl::Time now) const {
  if (now < retry_at_) return false;
  if (is_broken_) return true;
  // With the next prepare a rank aborts what it was halted in, which the others of it are to know.
  if (HasMember([](const Worker& worker) { return worker.halting != 0; })) return false;
  if (!CanPlace()) return false;
  if (epoch_ == 0) return IsFirstEpochDue(now);
  if (HasOrphans() || HasMembersThatLeave() || !rebalance_.done) return true;
  if (HasNewcomers() || IsOver()) return IsSettled(now);
  return placed_by_ != config_.placement;
}

bool Coordinator::IsSettled(absl::Time now) const {
  if (now - first_join_ >= config_.settle_limit) return true;
  const bool is_short =
      IsShort(v1::ROLE_ATTENTION) || IsShort(v1::ROLE_EXPERT) || IsShort(v1::ROLE_COLOCATED);
  if (is_short && now - last_join_ < config_.settle_limit) return false;
  const bool all_started = std::all_of(workers_.begin(), workers_.end(), [](const auto& entry) {
    return entry.second.is_there() || entry.second.is_whole();
  });
  // Whom a goal waits for is there.
  if (HasGoalOfEpochs() && !is_short) return all_started;
  return all_started && now - last_join_ >= config_.settle;
}

// Whether a goal is pending that epochs serve; they do nothing for one of whole workers.
bool Coordinator::HasGoalOfEpochs() const {
  return std::any_of(goals_.begin(), goals_.end(), [](const auto& goal) {
    return goal.first != v1::ROLE_WHOLE && !goal.second.done;
  });
}

bool Coordinator::IsFirstEpochDue(absl::Time now) const {
  const auto experts = static_cast<int>(Candidates().size());
  const absl::Duration waited = now - first_hello_;
  if (experts < config_.expected_expert_workers && waited < config_.expected_limit) return false;
  const bool are_back = has_met_returned_ || IsEveryHolderBack();
  if (!are_back && waited < config_.return_limit) return false;
  return IsSettled(now);
}

bool Coordinator::HasOrphans() const {
  const auto is_gone = [this](const std::string& holder) {
    const auto found = workers_.find(holder);
    return found == workers_.end() || !found->second.started;
  };
  return std::any_of(holders_.begin(), holders_.end(), [&](const std::vector<std::string>& list) {
    return list.empty() || std::any_of(list.begin(), list.end(), is_gone);
  });
}

// They may go when an epoch without them has come.
bool Coordinator::HasMembersThatLeave() const {
  return HasMember([this](const Worker& worker) {
    if (!worker.leaving) return false;
    return IsHolding(holders_, worker.id()) ||
           (ranks_.contains(worker.id()) && !worker.will_attend());
  });
}

bool Coordinator::HasNewcomers() const {
  return HasMember([](const Worker& worker) {
    return worker.is_there() && !worker.is_whole() && !worker.leaving && !worker.took_part;
  });
}

bool Coordinator::IsCalm() const {
  return epoch_ != 0 && !change_.has_value() && rebalance_.done && !HasOrphans() &&
         !HasMembersThatLeave() && !HasNewcomers() && !is_broken_ && !IsOver();
}

bool Coordinator::IsEveryHolderBack() const {
  const auto& placed = PlacedWorkers(returned_);
  return std::all_of(placed.begin(), placed.end(), [this](const v1::PlacedWorker& holder) {
    const auto found = workers_.find(holder.worker_id());
    return found != workers_.end() && found->second.started;
  });
}

std::vector<std::string> Coordinator::Candidates() const {
  std::vector<std::string> ids;
  for (const auto& [id, worker] : workers_) {
    if (worker.is_candidate()) ids.push_back(id);
  }
  return ids;
}

bool Coordinator::IsHolding(const HolderLists& holders, const std::string& worker_id) const {
  return std::any_of(holders.begin(), holders.end(), [&](const std::vector<std::string>& list) {
    return std::find(list.begin(), list.end(), worker_id) != list.end();
  });
}

// Where each expert is now, among those that may hold it: as the epoch in force has it, else with
// workers that said when they joined that they hold the expert, by the newest epoch.
HolderLists Coordinator::PreviousHolders() const {
  HolderLists previous(holders_.size());
  std::vector<std::uint64_t> known(previous.size(), 0);
  for (std::size_t expert = 0; expert < previous.size(); ++expert) {
    for (const std::string& holder : holders_[expert]) {
      const auto found = workers_.find(holder);
      if (found == workers_.end() || !found->second.is_candidate()) continue;
      previous[expert].push_back(holder);
      known[expert] = ~std::uint64_t{0};
    }
  }
  for (const auto& [id, worker] : workers_) {
    if (!worker.is_candidate()) continue;
    for (const std::int32_t held : worker.held) {
      const auto expert = static_cast<std::size_t>(held);
      if (worker.held_epoch < known[expert]) continue;
      if (worker.held_epoch > known[expert]) previous[expert].clear();
      known[expert] = worker.held_epoch;
      previous[expert].push_back(id);
    }
  }
  return previous;
}

HolderLists Coordinator::PlanHolders(const std::vector<std::string>& workers,
                                     const HolderLists& previous, bool by_load) const {
  const ExpertLoads loads = load_.Rates(clock_.Now());
  ExpertHolders planned = PlanPlacement({.workers = workers, .previous = FirstOf(previous)});
  if (by_load) {
    planned = BalanceLoad({.workers = workers,
                           .current = planned,
                           .loads = loads,
                           .spare_slots = config_.placement.spare_slots});
  }
  return AddReplicas({.workers = workers,
                      .holders = planned,
                      .previous = previous,
                      .loads = loads,
                      .replicas = config_.placement.replicas});
}

std::string Coordinator::CauseOfChange() const {
  if (epoch_ == 0) return "start";
  if (is_broken_ || HasOrphans()) return "death";
  const bool leaves = HasMembersThatLeave();
  if (!leaves && !HasNewcomers()) return "rebalance";
  if (HasGoalOfEpochs()) return "scale";
  return leaves ? "leave" : "join";
}

void Coordinator::BeginChange() {
  MeetReturned();
  // Who has come back may have to halt first.
  if (!is_broken_ && !CanPlace()) return;
  const bool by_settings = IsCalm();  // there is no other reason
  EpochChange& change = change_.emplace();
  change.number = ++newest_;
  change.cause = by_settings ? "settings" : CauseOfChange();
  change.by_settings = by_settings;
  change.began = clock_.Now();
  change_status_.Clear();
  if (is_broken_) {
    StartHalt();
  } else {
    StartPrepare();
  }
}

void Coordinator::StartPrepare() {
  const absl::Time now = clock_.Now();
  const HolderLists previous = PreviousHolders();
  EpochChange& change = *change_;
  change.by_load = !rebalance_.done;
  change.holders =
      change.by_settings ? PlanBySettings() : PlanHolders(Candidates(), previous, change.by_load);
  change.ranks = RanksOf(change.holders);
  change.settings = config_.placement;
  change.moved = CountMoves(previous, change.holders);
  first_join_ = absl::InfiniteFuture();
  change.participants.clear();
  for (auto& [id, worker] : workers_) {
    if (worker.is_whole()) continue;
    if (worker.is_there()) {
      change.participants.insert(id);
    } else {
      first_join_ = now;
    }
  }
  EnterPhase(EpochChange::Phase::kPrepare,
             AreRanks() ? config_.ranks_prepare_limit : config_.prepare_limit);
  Note(absl::StrCat("epoch ", change.number, " (", change.cause, "): prepare, ", change.moved,
                    " of ", CountHeld(change.holders), " experts move, ",
                    AreRanks() ? change.ranks.size() : Candidates().size(),
                    AreRanks() ? " ranks" : " expert workers"));
  v1::CoordinatorMessage message;
  *message.mutable_prepare() = PlacementOf(change, workers_);
  for (const std::string& id : change.participants) {
    output_.Send(workers_.at(id).stream, message);
  }
}

void Coordinator::OnPrepared(Worker& worker, const v1::Prepared& prepared) {
  if (!change_.has_value() || change_->phase != EpochChange::Phase::kPrepare ||
      prepared.epoch() != change_->number || !change_->pending.contains(worker.id())) {
    return;
  }
  if (prepared.error().empty()) {
    worker.failures = 0;
    change_->pending.erase(worker.id());
    return;
  }
  ++worker.failures;
  AbandonChange(absl::StrCat(worker.id(), ": ", prepared.error()));
  retry_at_ = clock_.Now() + config_.retry_pause * (1 << std::min(worker.failures - 1, 5));
  // A rank of the epoch in force computes well; without it the others could not.
  if (worker.failures >= config_.most_failures && !ranks_.contains(worker.id())) {
    Remove(worker.id(),
           absl::UnavailableError(absl::StrCat("could not prepare ", worker.failures,
                                               " epochs in a row, at last: ", prepared.error())));
  }
}

void Coordinator::OnCommitted(Worker& worker, std::uint64_t epoch) {
  if (epoch > epoch_) return;  // it has not been told to
  worker.committed = std::max(worker.committed, epoch);
  if (change_.has_value() && change_->phase == EpochChange::Phase::kCommit &&
      epoch == change_->number) {
    change_->pending.erase(worker.id());
  }
}

void Coordinator::OnRetired(const Worker& worker, std::uint64_t epoch) {
  if (change_.has_value() && change_->phase == EpochChange::Phase::kRetire &&
      epoch == change_->number) {
    change_->pending.erase(worker.id());
  }
}

// Whoever takes part has to answer anew.
void Coordinator::EnterPhase(EpochChange::Phase phase, absl::Duration limit) {
  EpochChange& change = *change_;
  change.phase = phase;
  change.phase_began = clock_.Now();
  change.deadline = change.phase_began + limit;
  change.pending = change.participants;
  ++quiet_changes_;
}

// The seconds that it took.
double Coordinator::LeavePhase() {
  const absl::Duration took = clock_.Now() - change_->phase_began;
  output_.PhaseEnded(PhaseName(change_->phase), took);
  return absl::ToDoubleSeconds(took);
}

void Coordinator::StartCommit() {
  EpochChange& change = *change_;
  change_status_.set_prepare_seconds(LeavePhase());
  EnterPhase(EpochChange::Phase::kCommit, config_.commit_limit);
  epoch_ = change.number;
  holders_ = change.holders;
  // Some ranks enter it while others are still in the one before.
  ranks_.insert(change.ranks.begin(), change.ranks.end());
  placed_by_ = change.settings;
  moved_ += change.moved;
  committed_at_ = clock_.Now();
  output_.EpochCommitted(change.cause, change.moved);
  v1::CoordinatorMessage message;
  message.mutable_commit()->set_epoch(epoch_);
  for (const std::string& id : change.participants) {
    Worker& worker = workers_.at(id);
    worker.took_part = true;
    output_.Send(worker.stream, message);
  }
}

void Coordinator::StartRetire() {
  EpochChange& change = *change_;
  change_status_.set_commit_seconds(LeavePhase());
  finished_epoch_ = epoch_;
  ranks_ = change.ranks;
  Note(absl::StrCat(
      "epoch ", epoch_, ": committed by all after ",
      absl::FormatDuration(absl::Trunc(clock_.Now() - change.began, absl::Microseconds(100)))));
  std::erase_if(change.participants,
                [this](const std::string& id) { return !workers_.at(id).holds(); });
  EnterPhase(EpochChange::Phase::kRetire, config_.commit_limit);
  v1::CoordinatorMessage message;
  message.mutable_retire()->set_epoch(epoch_);
  for (const std::string& id : change.participants) {
    Worker& worker = workers_.at(id);
    worker.held.clear();
    output_.Send(worker.stream, message);
  }
}

void Coordinator::FinishChange() {
  const double retire_seconds = LeavePhase();
  change_status_ = ChangeStatus();
  change_status_.set_retire_seconds(retire_seconds);
  change_status_.set_phase("done");
  ++quiet_changes_;
  const bool by_load = change_->by_load;
  change_.reset();
  if (by_load) FinishRebalancing();
}

void Coordinator::AbandonChange(const std::string& why) {
  Note(absl::StrCat("epoch ", change_->number, ": given up in ", PhaseName(change_->phase), ": ",
                    why));
  change_status_ = ChangeStatus();
  change_status_.set_phase("given up");
  change_.reset();
}

void Coordinator::EndOverdueAnswers(absl::Time now) {
  if (!change_.has_value() || now <= change_->deadline) return;
  const absl::Status status = absl::AbortedError(
      absl::StrCat("did not ", PhaseName(change_->phase), " epoch ", change_->number, " within ",
                   absl::FormatDuration(change_->deadline - change_->phase_began)));
  std::set<std::string> overdue = change_->pending;
  if (change_->phase == EpochChange::Phase::kPrepare && !ranks_.empty()) {
    // Ranks prepare together: those of the epoch in force wait for one that has come anew.
    std::erase_if(overdue, [this](const std::string& id) { return ranks_.contains(id); });
    AbandonChange(std::string(status.message()));
    retry_at_ = now + config_.retry_pause;
  }
  for (const std::string& id : overdue) Remove(id, status);
}

// Says goodbye to those that may go.
void Coordinator::LetGo() {
  std::vector<std::string> free;
  for (const auto& [id, worker] : workers_) {
    if (worker.leaving && MayGo(worker)) free.push_back(id);
  }
  for (const std::string& id : free) {
    const StreamId stream = workers_.at(id).stream;
    v1::CoordinatorMessage message;
    message.mutable_goodbye()->set_reason("drained");
    output_.Send(stream, message);
    EndStream(stream, absl::OkStatus());
    Bury(id, "drained");
  }
}

bool Coordinator::MayGo(const Worker& worker) const {
  if (worker.is_rank()) return MayRankGo(worker);
  if (worker.attends()) return !worker.started || worker.idle_beats >= 2;
  if (change_.has_value()) return false;
  if (Candidates().empty()) return true;  // nobody can take over
  // While somebody has not heard of the epoch in force, the one before it is still used.
  return finished_epoch_ == epoch_ && !IsHolding(holders_, worker.id());
}

}  // namespace sextant
