// Ranks of a SimulatedCluster. Their engines are in lockstep: an epoch is entered when it is
// committed, by those that are in none, and left after a last step, which its conductor says when
// it commits the next one, and which takes all of its ranks.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "router/coordinator/placed_workers.h"
#include "tests/unit/router/coordinator/simulated_cluster.h"

namespace sextant {
namespace {

const v1::PlacedWorker* FindRank(const v1::Placement& placement, const std::string& id) {
  const auto& ranks = placement.ranks();
  const auto found = std::find_if(ranks.begin(), ranks.end(), [&id](const v1::PlacedWorker& rank) {
    return rank.worker_id() == id;
  });
  return found == ranks.end() ? nullptr : &*found;
}

std::string ConductorOf(const v1::Placement& placement) {
  const auto& ranks = placement.ranks();
  const auto found = std::find_if(ranks.begin(), ranks.end(),
                                  [](const v1::PlacedWorker& rank) { return rank.attends(); });
  return found == ranks.end() ? "" : found->worker_id();
}

}  // namespace

// On the link's thread.
void SimulatedCluster::ObeyRank(SimulatedWorker& worker, const v1::CoordinatorMessage& message) {
  if (message.has_halt()) {
    ObeyHalt(worker, message.halt().before());
  } else if (message.has_prepare() || message.has_commit() || message.has_retire()) {
    worker.rank.commands.push_back(message);
  } else {
    Obey(worker, message);
  }
}

void SimulatedCluster::ObeyHalt(SimulatedWorker& worker, std::uint64_t before) {
  SimulatedRank& rank = worker.rank;
  rank.books.Halted(before);
  rank.halted_before = std::max(rank.halted_before, before);
  if (rank.entered < before) rank.entered = 0;
  if (rank.committing < before) rank.committing = 0;
  worker.committed = rank.books.committed();
  worker.newest = rank.books.newest();
  v1::WorkerMessage answer;
  answer.mutable_halted()->set_before(before);
  Answer(worker, answer);
}

bool SimulatedCluster::RunRole(SimulatedWorker& worker) {
  SimulatedRank& rank = worker.rank;
  if (rank.committing != 0 || rank.commands.empty()) return false;
  const v1::CoordinatorMessage command = std::move(rank.commands.front());
  rank.commands.pop_front();
  if (command.has_prepare()) {
    PrepareRank(worker, command.prepare());
  } else if (command.has_commit()) {
    CommitRank(worker, command.commit().epoch());
  } else if (!rank.books.IsOver(command.retire().epoch())) {
    Obey(worker, command);
  }
  MoveEngines();
  return true;
}

void SimulatedCluster::PrepareRank(SimulatedWorker& worker, const v1::Placement& placement) {
  SimulatedRank& rank = worker.rank;
  const std::uint64_t epoch = placement.epoch();
  if (rank.books.IsOver(epoch)) return;
  if (const absl::Status fits = rank.books.CheckPrepare(epoch); !fits.ok()) {
    Violation(absl::StrCat(worker.hello.worker_id(), ": ", std::string(fits.message())));
  }
  rank.books.Heard(epoch);
  worker.newest = rank.books.newest();
  // Communicators that were halted are aborted, epochs that were never entered forgotten.
  std::erase_if(rank.communicators,
                [&rank](std::uint64_t old) { return old < rank.halted_before; });
  std::erase_if(rank.epochs,
                [&rank](const auto& old) { return !rank.communicators.contains(old.first); });
  v1::WorkerMessage answer;
  answer.mutable_prepared()->set_epoch(epoch);
  if (worker.fails_to_prepare) {
    answer.mutable_prepared()->set_error("no memory left");
    return Answer(worker, answer);
  }
  rank.books.Prepared(placement);
  rank.epochs[epoch] = placement;
  if (const v1::PlacedWorker* placed = FindRank(placement, worker.hello.worker_id())) {
    worker.held.insert(placed->experts().begin(), placed->experts().end());
  }
  Answer(worker, answer);
}

void SimulatedCluster::CommitRank(SimulatedWorker& worker, std::uint64_t epoch) {
  SimulatedRank& rank = worker.rank;
  if (rank.books.IsOver(epoch)) return;
  if (const absl::Status fits = rank.books.CheckCommit(epoch); !fits.ok()) {
    return Violation(absl::StrCat(worker.hello.worker_id(), ": ", std::string(fits.message())));
  }
  rank.committing = epoch;
  rank.committing_for = worker.stream;
  if (rank.entered == 0 && FindRank(rank.epochs.at(epoch), worker.hello.worker_id()) != nullptr) {
    rank.entered = epoch;
    rank.communicators.insert(epoch);
  }
  const auto before = rank.epochs.find(rank.entered);
  if (rank.entered == epoch || before == rank.epochs.end()) return;
  if (ConductorOf(before->second) == worker.hello.worker_id()) {
    last_steps_[rank.entered] = {before->second, epoch};
  }
}

// Everything that engines do by themselves.
void SimulatedCluster::MoveEngines() {
  for (auto it = last_steps_.begin(); it != last_steps_.end();) {
    const auto& [epoch, next] = it->second;
    if (AllAreIn(epoch)) TakeLastStep(epoch, next);
    const std::uint64_t number = it->first;
    const bool waits = std::any_of(workers_.begin(), workers_.end(), [number](const auto& entry) {
      return entry.second.rank.entered == number;
    });
    it = waits ? std::next(it) : last_steps_.erase(it);
  }
  FinishCommits();
  CheckOneEpoch();
}

// A frozen one is waited for.
bool SimulatedCluster::AllAreIn(const v1::Placement& epoch) {
  return std::all_of(epoch.ranks().begin(), epoch.ranks().end(), [&](const auto& placed) {
    const auto found = workers_.find(placed.worker_id());
    return found != workers_.end() && !found->second.frozen &&
           found->second.rank.entered == epoch.epoch();
  });
}

void SimulatedCluster::TakeLastStep(const v1::Placement& epoch, std::uint64_t next) {
  for (const v1::PlacedWorker& placed : epoch.ranks()) {
    SimulatedWorker& worker = workers_.at(placed.worker_id());
    const auto following = worker.rank.epochs.find(next);
    if (following == worker.rank.epochs.end()) {
      Violation(absl::StrCat(placed.worker_id(), " has not prepared epoch ", next,
                             " at the last step of ", epoch.epoch()));
      continue;
    }
    const bool is_member = FindRank(following->second, placed.worker_id()) != nullptr;
    worker.rank.communicators.erase(epoch.epoch());
    worker.rank.entered = is_member ? next : 0;
    if (is_member) worker.rank.communicators.insert(next);
  }
}

void SimulatedCluster::FinishCommits() {
  for (auto& [id, worker] : workers_) {
    SimulatedRank& rank = worker.rank;
    if (rank.committing == 0 || worker.frozen) continue;
    const bool is_member = FindRank(rank.epochs.at(rank.committing), id) != nullptr;
    if (rank.entered != (is_member ? rank.committing : 0)) continue;
    rank.books.Committed();
    worker.committed = rank.books.committed();
    v1::WorkerMessage answer;
    answer.mutable_committed()->set_epoch(std::exchange(rank.committing, 0));
    if (rank.committing_for != worker.stream) continue;
    worker.committed_on_this_stream = true;
    Answer(worker, answer);
  }
}

// For the coordinator.
bool SimulatedCluster::IsMember(const std::string& id) const {
  return std::any_of(open_.begin(), open_.end(), [&id](const auto& entry) {
    return entry.second.worker_id == id && entry.second.heard_hello;
  });
}

void SimulatedCluster::CheckRanks(const v1::Placement& placement) {
  if (placement.ranks().empty()) return;
  if (!placement.expert_workers().empty()) Violation("an epoch of ranks and of expert workers");
  if (ConductorOf(placement).empty()) {
    Violation(absl::StrCat("nobody conducts epoch ", placement.epoch()));
  }
  std::string last;
  for (const v1::PlacedWorker& placed : placement.ranks()) {
    const std::string& id = placed.worker_id();
    if (id <= last) Violation("the ranks are not in order");
    last = id;
    if (!placed.attends() && placed.experts().empty()) Violation(id + " is a rank without a role");
    const auto found = workers_.find(id);
    if (found == workers_.end()) continue;  // dead, and nobody knows
    const SimulatedWorker& worker = found->second;
    if (placed.attends() && !worker.attends()) Violation(id + " cannot attend");
    if (!placed.experts().empty() && !worker.holds()) Violation(id + " cannot hold experts");
    if (!worker.leaving && placed.attends() != worker.attends()) {
      Violation(id + " attends, and its epoch does not say so");
    }
  }
}

// With the prepare that is sent, the worker aborts what it was halted in.
void SimulatedCluster::CheckAborts(const SimulatedWorker& worker) {
  for (const std::uint64_t epoch : worker.rank.communicators) {
    const std::string own = worker.rank.epochs.at(epoch).SerializeAsString();
    const auto& ranks = worker.rank.epochs.at(epoch).ranks();
    const bool is_whole = std::all_of(ranks.begin(), ranks.end(), [this](const auto& placed) {
      return IsMember(placed.worker_id());
    });
    if (is_whole && epoch >= worker.rank.halted_before) continue;
    for (const v1::PlacedWorker& placed : ranks) {
      const auto other = workers_.find(placed.worker_id());
      if (other == workers_.end() || !IsMember(placed.worker_id())) continue;
      const SimulatedRank& rank = other->second.rank;
      if (rank.entered != epoch) continue;
      // Where a router knew of none before it, the number may be that of another epoch.
      if (rank.epochs.at(epoch).SerializeAsString() != own) continue;
      Violation(absl::StrCat(worker.hello.worker_id(), " is told to prepare while ",
                             placed.worker_id(), " waits in epoch ", epoch));
    }
  }
}

// With the commit that is sent, the worker waits for a last step of the epoch that it is in.
void SimulatedCluster::CheckCanLeave(const SimulatedWorker& worker, std::uint64_t next) {
  const std::uint64_t entered = worker.rank.entered;
  if (entered == 0 || entered == next) return;
  for (const v1::PlacedWorker& placed : worker.rank.epochs.at(entered).ranks()) {
    const auto other = workers_.find(placed.worker_id());
    const bool is_in = other == workers_.end() || other->second.rank.entered == entered ||
                       other->second.rank.entered == next;
    if (IsMember(placed.worker_id()) && is_in) continue;
    Violation(absl::StrCat(worker.hello.worker_id(), " is told to commit ", next,
                           ", and waits for ", placed.worker_id(), " in epoch ", entered));
  }
}

void SimulatedCluster::CheckOneEpoch() {
  std::set<std::uint64_t> running;
  for (const std::string& id : directory_) {
    const auto found = workers_.find(id);
    if (found == workers_.end() || found->second.rank.entered == 0 || !IsMember(id)) continue;
    const SimulatedRank& rank = found->second.rank;
    if (AllAreIn(rank.epochs.at(rank.entered))) running.insert(rank.entered);
  }
  if (running.size() > 1) {
    Violation(absl::StrCat("epochs ", *running.begin(), " and ", *running.rbegin(),
                           " are in force at once"));
  }
}

// In the end those of the epoch in force are in it, and everybody else is in none.
void SimulatedCluster::CheckEntered(const v1::ClusterStatus& status) {
  for (const auto& [id, worker] : workers_) {
    if (!worker.is_rank() || worker.over.has_value()) continue;
    const bool is_member =
        worker.committed.epoch() == status.epoch() && FindRank(worker.committed, id) != nullptr;
    if (worker.rank.entered != (is_member ? status.epoch() : 0)) {
      Violation(absl::StrCat(id, " is in epoch ", worker.rank.entered, " in the end"));
    }
  }
}

}  // namespace sextant
