#include "tests/unit/router/coordinator/simulated_cluster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/membership/roles.h"
#include "router/coordinator/placed_workers.h"

namespace sextant {
namespace {

constexpr char kHostId[] = "the host";

}  // namespace

SimulatedCluster::SimulatedCluster(CoordinatorConfig config) : config_(std::move(config)) {
  config_.version = kTestVersion;
  coordinator_ = std::make_unique<Coordinator>(config_, clock, *this);
}

SimulatedWorker& SimulatedCluster::Add(v1::Hello hello) {
  const std::string id = hello.worker_id();
  SimulatedWorker& worker = workers_[id];
  worker = SimulatedWorker();
  worker.hello = std::move(hello);
  Dial(worker);
  return worker;
}

void SimulatedCluster::Dial(SimulatedWorker& worker) {
  worker.stream = ++streams_;
  open_[worker.stream].worker_id = worker.hello.worker_id();
  coordinator_->Opened(worker.stream);
  v1::WorkerMessage message;
  v1::Hello& hello = *message.mutable_hello();
  hello = worker.hello;
  if (worker.committed.epoch() != 0) *hello.mutable_holding() = worker.committed;
  hello.set_newest_epoch(worker.newest);
  worker.outbox.push_back(message);
}

void SimulatedCluster::Kill(SimulatedWorker& worker) {
  if (worker.stream != 0) broken_.push_back(worker.stream);
  workers_.erase(std::string(worker.hello.worker_id()));
}

void SimulatedCluster::Leave(SimulatedWorker& worker) {
  worker.leaving = true;
  v1::WorkerMessage message;
  message.mutable_leaving();
  Answer(worker, message);
}

void SimulatedCluster::RestartRouter() {
  open_.clear();
  broken_.clear();
  sent_.clear();
  directory_.clear();
  newest_told_ = 0;
  newest_prepare_ = 0;
  epochs_begun_ = 0;
  for (auto& [id, worker] : workers_) LoseStream(worker);
  coordinator_ = std::make_unique<Coordinator>(config_, clock, *this);
  host_.inbox.clear();
  if (host_.stream != 0) FollowRouter();
}

void SimulatedCluster::SetPlacement(const PlacementSettings& settings) {
  config_.placement = settings;
  coordinator_->SetPlacement(settings);
}

void SimulatedCluster::AddHost(int attention, int experts, int whole, int colocated) {
  host_.wanted = {{v1::ROLE_ATTENTION, attention},
                  {v1::ROLE_EXPERT, experts},
                  {v1::ROLE_WHOLE, whole},
                  {v1::ROLE_COLOCATED, colocated}};
  FollowRouter();
  RunHost();
}

void SimulatedCluster::LoseHost() {
  std::vector<SimulatedWorker*> processes;
  for (auto& [id, worker] : workers_) {
    if (worker.hello.endpoint().host_id() == kHostId) processes.push_back(&worker);
  }
  for (SimulatedWorker* process : processes) Kill(*process);
  const StreamId stream = host_.stream;
  host_ = SimulatedHost();
  coordinator_->HostClosed(stream);
}

void SimulatedCluster::FollowRouter() {
  host_.stream = ++streams_;
  host_.obeyed = 0;
  ReportHost();
}

void SimulatedCluster::ReportHost() {
  v1::HostReport report;
  report.set_name("host");
  report.set_host_id(kHostId);
  for (const auto& [role, count] : host_.wanted) {
    v1::RoleCount& wanted = *report.add_wanted();
    wanted.set_role(role);
    wanted.set_count(count);
  }
  report.mutable_pids()->Add(host_.pids.begin(), host_.pids.end());
  report.set_obeyed(host_.obeyed);
  coordinator_->HostReported(host_.stream, report);
}

void SimulatedCluster::RunHost() {
  if (host_.stream == 0) return;
  for (; !host_.inbox.empty(); host_.inbox.pop_front()) {
    const v1::HostOrders& orders = host_.inbox.front();
    host_.obeyed = orders.number();
    for (const v1::RoleCount& wanted : orders.wanted())
      host_.wanted[wanted.role()] = wanted.count();
    host_.leaving.insert(orders.leaving_pids().begin(), orders.leaving_pids().end());
    host_.members = {orders.member_pids().begin(), orders.member_pids().end()};
  }
  for (const v1::Role role : kRoles) KeepProcesses(role);
  ReportHost();
}

// A process that has gone is forgotten; one that was told goodbye has exited.
void SimulatedCluster::KeepProcesses(v1::Role role) {
  std::vector<SimulatedWorker*> running;
  for (auto it = workers_.begin(); it != workers_.end();) {
    SimulatedWorker& worker = it->second;
    if (worker.hello.role() != role || worker.hello.endpoint().host_id() != kHostId) {
      ++it;
      continue;
    }
    if (worker.over.has_value()) {
      it = workers_.erase(it);
      continue;
    }
    const bool leaves = host_.leaving.contains(worker.hello.pid());
    if (!leaves) running.push_back(&worker);
    // SIGTERM wakes a frozen process.
    if (leaves && worker.frozen) worker.frozen = false;
    if (leaves && !worker.leaving) Leave(worker);
    ++it;
  }
  std::stable_partition(running.begin(), running.end(), [this](const SimulatedWorker* worker) {
    return host_.members.contains(worker->hello.pid());
  });
  const int wanted = host_.wanted[role];
  for (int surplus = static_cast<int>(running.size()) - wanted; surplus > 0; --surplus) {
    SimulatedWorker& youngest = *running.back();
    running.pop_back();
    host_.leaving.insert(youngest.hello.pid());
    youngest.frozen = false;
    Leave(youngest);
  }
  for (int missing = wanted - static_cast<int>(running.size()); missing > 0; --missing) {
    const std::int64_t pid = ++processes_;
    const std::string id = absl::StrCat(std::string(1, *RoleName(role)), "-host-", 1000 + pid);
    v1::Hello hello = HelloOf(role, id, num_experts);
    hello.set_pid(pid);
    hello.mutable_endpoint()->set_host_id(kHostId);
    host_.pids.insert(pid);
    Add(hello);
  }
  host_.pids.clear();
  for (const auto& [id, worker] : workers_) {
    if (worker.hello.endpoint().host_id() == kHostId) host_.pids.insert(worker.hello.pid());
  }
}

bool SimulatedCluster::DeliverToWorker(SimulatedWorker& worker) {
  if (worker.frozen || worker.stream == 0) return false;
  if (!worker.inbox.empty()) {
    const v1::CoordinatorMessage message = std::move(worker.inbox.front());
    worker.inbox.pop_front();
    if (worker.is_rank()) {
      ObeyRank(worker, message);
    } else {
      Obey(worker, message);
    }
    return true;
  }
  if (worker.is_rank() && RunRole(worker)) return true;
  if (!worker.end.has_value()) return false;
  const absl::Status status = *worker.end;
  LoseStream(worker);
  const bool refused = status.code() == absl::StatusCode::kFailedPrecondition ||
                       status.code() == absl::StatusCode::kInvalidArgument;
  if (status.ok() || refused) {
    worker.over = status;
    worker.rank = SimulatedRank();
  }
  return true;
}

bool SimulatedCluster::DeliverToCoordinator(SimulatedWorker& worker) {
  if (worker.frozen || worker.stream == 0 || worker.outbox.empty()) return false;
  const v1::WorkerMessage message = std::move(worker.outbox.front());
  worker.outbox.pop_front();
  if (!message.has_heartbeat()) sent_.emplace_back(worker.stream, message);
  if (sent_.size() > 100) sent_.pop_front();
  Tell(worker.stream, message);
  return true;
}

void SimulatedCluster::DeliverAgain(std::size_t which) {
  const auto [stream, message] = sent_.at(which);
  // A second hello on an open stream is a fault of its own, not a late message.
  if (message.has_hello() && open_.contains(stream)) return;
  coordinator_->Received(stream, message);
}

std::size_t SimulatedCluster::SentBy(
    const std::string& id, const std::function<bool(const v1::WorkerMessage&)>& is) const {
  const StreamId stream = workers_.at(id).stream;
  const auto found = std::find_if(sent_.begin(), sent_.end(), [&](const auto& sent) {
    return sent.first == stream && is(sent.second);
  });
  return static_cast<std::size_t>(found - sent_.begin());
}

void SimulatedCluster::Tell(StreamId stream, const v1::WorkerMessage& message) {
  if (const auto found = open_.find(stream); found != open_.end()) {
    OpenStream& open = found->second;
    if (message.has_hello()) {
      newest_told_ = std::max(newest_told_, message.hello().newest_epoch());
      open.heard_hello = true;
    }
    if (message.has_prepared() && message.prepared().error().empty()) {
      open.heard_prepared = message.prepared().epoch();
    }
    if (message.has_committed()) open.heard_committed = message.committed().epoch();
  }
  coordinator_->Received(stream, message);
}

bool SimulatedCluster::HearOfEnds() {
  if (broken_.empty()) return false;
  const StreamId stream = broken_.front();
  broken_.erase(broken_.begin());
  open_.erase(stream);
  coordinator_->Closed(stream);
  return true;
}

void SimulatedCluster::DeliverEverything() {
  bool any = true;
  while (any) {
    any = HearOfEnds();
    std::vector<std::string> ids;
    for (const auto& [id, worker] : workers_) ids.push_back(id);
    for (const std::string& id : ids) {
      SimulatedWorker& worker = workers_.at(id);
      while (DeliverToCoordinator(worker)) any = true;
      while (DeliverToWorker(worker)) any = true;
    }
  }
}

void SimulatedCluster::Pass(absl::Duration duration) {
  clock.Advance(duration);
  MoveEngines();  // those that somebody frozen has held up
  for (auto& [id, worker] : workers_) {
    if (!worker.welcomed || worker.frozen || worker.starting) continue;
    if (clock.Now() < worker.next_beat) continue;
    worker.next_beat = clock.Now() + config_.heartbeat_interval;
    v1::WorkerMessage message;
    message.mutable_heartbeat()->set_epoch(worker.committed.epoch());
    message.mutable_heartbeat()->set_running(worker.running);
    for (const auto& [expert, rows] : worker.load) {
      v1::ExpertLoad& load = *message.mutable_heartbeat()->add_expert_load();
      load.set_expert(expert);
      load.set_rows(rows);
    }
    worker.load.clear();
    worker.outbox.push_back(message);
  }
  coordinator_->Tick();
}

void SimulatedCluster::Run(absl::Duration duration) {
  const absl::Time end = clock.Now() + duration;
  DeliverEverything();
  while (clock.Now() < end) {
    Pass(absl::Milliseconds(50));
    for (auto& [id, worker] : workers_) {
      if (worker.stream == 0 && !worker.frozen && !worker.over.has_value()) Dial(worker);
    }
    DeliverEverything();
    RunHost();
    DeliverEverything();
  }
}

void SimulatedCluster::Obey(SimulatedWorker& worker, const v1::CoordinatorMessage& message) {
  v1::WorkerMessage answer;
  if (message.has_welcome()) {
    worker.welcomed = true;
    worker.next_beat = clock.Now();
    if (worker.leaving) {
      answer.mutable_leaving();
      Answer(worker, answer);
    }
  } else if (message.has_prepare()) {
    const v1::Placement& placement = message.prepare();
    worker.newest = std::max(worker.newest, placement.epoch());
    answer.mutable_prepared()->set_epoch(placement.epoch());
    if (worker.fails_to_prepare) {
      answer.mutable_prepared()->set_error("no memory left");
    } else {
      worker.prepared = placement;
      for (const v1::PlacedWorker& placed : placement.expert_workers()) {
        if (placed.worker_id() != worker.hello.worker_id()) continue;
        worker.held.insert(placed.experts().begin(), placed.experts().end());
      }
    }
    Answer(worker, answer);
  } else if (message.has_commit()) {
    const std::uint64_t epoch = message.commit().epoch();
    if (!worker.prepared.has_value() || worker.prepared->epoch() != epoch) {
      Violation(absl::StrCat(worker.hello.worker_id(), " told to commit ", epoch,
                             " which it has not prepared last"));
      return;
    }
    worker.committed = *std::exchange(worker.prepared, std::nullopt);
    worker.committed_on_this_stream = true;
    answer.mutable_committed()->set_epoch(epoch);
    Answer(worker, answer);
  } else if (message.has_retire()) {
    if (message.retire().epoch() != worker.committed.epoch()) {
      Violation(absl::StrCat(worker.hello.worker_id(), " told to retire ", message.retire().epoch(),
                             " and has committed ", worker.committed.epoch()));
    }
    worker.held.clear();
    for (const v1::PlacedWorker& placed : PlacedWorkers(worker.committed)) {
      if (placed.worker_id() != worker.hello.worker_id()) continue;
      worker.held.insert(placed.experts().begin(), placed.experts().end());
    }
    CheckReach(worker, "after retire");
    answer.mutable_retired()->set_epoch(message.retire().epoch());
    Answer(worker, answer);
  }
}

void SimulatedCluster::LoseStream(SimulatedWorker& worker) {
  worker.stream = 0;
  worker.welcomed = false;
  worker.committed_on_this_stream = false;
  worker.inbox.clear();
  worker.outbox.clear();
  worker.rank.commands.clear();
  worker.end.reset();
}

void SimulatedCluster::Answer(SimulatedWorker& worker, v1::WorkerMessage message) {
  worker.outbox.push_back(std::move(message));
}

SimulatedWorker* SimulatedCluster::WorkerOf(StreamId stream) {
  for (auto& [id, worker] : workers_) {
    if (worker.stream == stream) return &worker;
  }
  return nullptr;
}

void SimulatedCluster::Send(StreamId stream, const v1::CoordinatorMessage& message) {
  const auto found = open_.find(stream);
  if (found == open_.end()) {
    Violation(absl::StrCat("sent on stream ", stream, ", which has ended"));
    return;
  }
  if (message.has_prepare() || message.has_commit() || message.has_retire()) {
    const SimulatedWorker* told = WorkerOf(stream);
    if (told != nullptr && told->is_whole()) Violation("a whole worker was told of an epoch");
  }
  if (message.has_prepare()) {
    CheckPrepare(message.prepare());
    if (SimulatedWorker* told = WorkerOf(stream)) CheckAborts(*told);
    found->second.told_prepare = message.prepare().epoch();
  } else if (message.has_commit()) {
    CheckCommit(message.commit().epoch());
    if (SimulatedWorker* told = WorkerOf(stream)) CheckCanLeave(*told, message.commit().epoch());
    found->second.told_commit = message.commit().epoch();
  } else if (message.has_retire()) {
    CheckRetire(message.retire().epoch());
    ++retires_sent_;
  } else if (message.has_goodbye()) {
    SimulatedWorker* worker = WorkerOf(stream);
    const v1::ClusterStatus status = Status();
    const bool others = std::any_of(
        status.workers().begin(), status.workers().end(), [](const v1::WorkerStatus& other) {
          return (other.role() == v1::ROLE_EXPERT || other.role() == v1::ROLE_COLOCATED) &&
                 (other.state() == "ready" || other.state() == "silent");
        });
    if (worker != nullptr && worker->holds() && others) {
      worker->held.clear();
      CheckReach(*worker, "with goodbye");
    }
  }
  SimulatedWorker* worker = WorkerOf(stream);
  if (worker == nullptr) return;
  worker->inbox.push_back(message);
  Plant(*worker, message);
}

void SimulatedCluster::Plant(SimulatedWorker& worker, const v1::CoordinatorMessage& message) {
  if (bug == PlantedBug::kRetireWithCommit && message.has_commit() && worker.is_expert()) {
    v1::CoordinatorMessage retire;
    retire.mutable_retire()->set_epoch(message.commit().epoch());
    worker.inbox.push_back(retire);
  }
  if (bug == PlantedBug::kSkipCommits && message.has_commit() && !worker.is_expert() &&
      message.commit().epoch() % 2 == 0) {
    // It is believed to have obeyed.
    worker.inbox.pop_back();
    v1::WorkerMessage committed;
    committed.mutable_committed()->set_epoch(message.commit().epoch());
    worker.outbox.push_back(committed);
  }
  if (bug == PlantedBug::kSkipHalts && message.has_halt() && !worker.holds()) {
    worker.inbox.pop_back();
    v1::WorkerMessage halted;
    halted.mutable_halted()->set_before(message.halt().before());
    worker.outbox.push_back(halted);
  }
  if (bug == PlantedBug::kGoodbyeAtOnce && message.has_alive() && worker.leaving &&
      worker.is_expert()) {
    worker.held.clear();
    CheckReach(worker, "with goodbye");
    worker.end = absl::OkStatus();
  }
}

void SimulatedCluster::End(StreamId stream, const absl::Status& status) {
  if (open_.erase(stream) == 0) {
    Violation(absl::StrCat("ended stream ", stream, ", which has ended"));
  }
  if (SimulatedWorker* worker = WorkerOf(stream)) worker->end = status;
}

void SimulatedCluster::SendOrders(StreamId stream, const v1::HostOrders& orders) {
  if (host_.stream == stream) host_.inbox.push_back(orders);
}

void SimulatedCluster::EndHost(StreamId stream, const absl::Status& /*status*/) {
  if (host_.stream == stream) host_.stream = 0;
}

void SimulatedCluster::PhaseEnded(const char* phase, absl::Duration /*took*/) { ++phases_[phase]; }

void SimulatedCluster::EpochCommitted(const std::string& cause, int /*moved*/) { ++causes_[cause]; }

void SimulatedCluster::SetDirectory(const std::vector<AttentionWorkerInfo>& workers) {
  directory_.clear();
  for (const AttentionWorkerInfo& worker : workers) directory_.push_back(worker.worker_id);
}

}  // namespace sextant
