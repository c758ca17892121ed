#include "router/coordinator/coordinator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "router/coordinator/placed_workers.h"

namespace sextant {
namespace {

// A longer time between two ticks means that this process itself stood still.
constexpr absl::Duration kLongestTick = absl::Milliseconds(500);

std::string Shown(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

std::vector<std::int32_t> HeldBy(const v1::Hello& hello) {
  for (const v1::PlacedWorker& placed : PlacedWorkers(hello.holding())) {
    if (placed.worker_id() == hello.worker_id()) {
      return {placed.experts().begin(), placed.experts().end()};
    }
  }
  return {};
}

}  // namespace

Coordinator::Coordinator(CoordinatorConfig config, const Clock& clock, CoordinatorOutput& output)
    : config_(std::move(config)),
      clock_(clock),
      output_(output),
      agreement_(config_.version, config_.model, config_.numeric_profile),
      created_(clock.Now()),
      last_tick_(created_),
      last_alive_(created_),
      load_(config_.load_half_life) {}

void Coordinator::Opened(StreamId stream) {
  streams_[stream].opened = clock_.Now();
  if (streams_.size() <= config_.most_streams) return;
  EndStream(stream, absl::ResourceExhaustedError(absl::StrCat(
                        "the coordinator has ", config_.most_streams, " streams already")));
}

void Coordinator::Received(StreamId stream, const v1::WorkerMessage& message) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  const std::string worker_id = found->second.worker_id;
  if (worker_id.empty() != message.has_hello()) {
    const absl::Status status = absl::InvalidArgumentError(
        worker_id.empty() ? "the first message of a stream must be hello"
                          : "hello must be the first message of a stream, and no other");
    if (worker_id.empty()) {
      EndStream(stream, status);
    } else {
      Remove(worker_id, status);
    }
  } else if (worker_id.empty()) {
    OnHello(stream, message.hello());
  } else {
    OnMessage(workers_.at(worker_id), message);
  }
  Advance();
}

void Coordinator::Closed(StreamId stream) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  const std::string worker_id = found->second.worker_id;
  streams_.erase(found);
  if (!worker_id.empty()) Bury(worker_id, "its stream broke");
  Advance();
}

void Coordinator::Overflowed(StreamId stream) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  const absl::Status status =
      absl::ResourceExhaustedError("it does not read what it is sent; join anew");
  if (found->second.worker_id.empty()) {
    EndStream(stream, status);
  } else {
    Remove(found->second.worker_id, status);
  }
  Advance();
}

void Coordinator::Tick() {
  const absl::Time now = clock_.Now();
  ForgiveOwnSilence(now);
  EndOverdueStreams(now);
  EndSilentWorkers(now);
  EndOverdueAnswers(now);
  EndOverdueHalts(now);
  SayAlive(now);
  ConsiderRebalancing(now);
  Advance();
}

absl::Status Coordinator::Drain(const std::string& worker_id) {
  const auto found = workers_.find(worker_id);
  if (found == workers_.end()) {
    return absl::NotFoundError(
        absl::StrCat("there is no worker ", worker_id, "; `sextant status` lists them"));
  }
  Worker& worker = found->second;
  const bool is_needed = HasMember([&worker](const Worker& other) {
    return &other != &worker && other.attends() && !other.is_whole();
  });
  if (worker.is_candidate() && Candidates().size() == 1 && is_needed) {
    return absl::FailedPreconditionError(absl::StrCat(
        worker_id, " is the only ", AreRanks() ? "rank that holds experts" : "expert worker",
        "; add another one before draining it"));
  }
  // Its host is not to start another one in its place.
  if (!worker.leaving && IsSupervised(worker)) {
    int& wanted = host_->wanted[worker.role()];
    wanted = std::max(wanted - 1, 0);
  }
  if (const auto goal = goals_.find(worker.role()); !worker.leaving && goal != goals_.end()) {
    goal->second.count = std::max(goal->second.count - 1, 1);
  }
  Leave(worker);
  Advance();
  return absl::OkStatus();
}

void Coordinator::OnHello(StreamId stream, const v1::Hello& hello) {
  if (absl::Status fits = agreement_.Check(hello); !fits.ok()) {
    Note(absl::StrCat("refused ", hello.worker_id(), ": ", Shown(fits)));
    EndStream(stream, fits);
    return;
  }
  if (workers_.contains(hello.worker_id())) {
    Remove(hello.worker_id(), absl::AbortedError("the worker has joined on another stream"));
  }
  agreement_.Adopt(hello);
  holders_.resize(static_cast<std::size_t>(agreement_.model().num_experts()));
  load_.Resize(holders_.size());
  streams_[stream].worker_id = hello.worker_id();

  const absl::Time now = clock_.Now();
  Worker& worker = workers_[hello.worker_id()];
  worker.stream = stream;
  worker.hello = hello;
  worker.last_heard = now;
  worker.held_epoch = hello.holding().epoch();
  worker.held = HeldBy(hello);
  newest_ = std::max({newest_, hello.newest_epoch(), worker.held_epoch});
  if (worker.held_epoch > returned_.epoch()) returned_ = hello.holding();
  if (!worker.is_whole()) {  // for which no epoch waits
    last_join_ = now;
    first_join_ = std::min(first_join_, now);
    first_hello_ = std::min(first_hello_, now);
  }

  v1::CoordinatorMessage message;
  v1::Welcome& welcome = *message.mutable_welcome();
  welcome.set_numeric_profile(agreement_.numeric_profile());
  welcome.set_model_name(agreement_.model().id());
  welcome.set_heartbeat_milliseconds(
      static_cast<std::int32_t>(absl::ToInt64Milliseconds(config_.heartbeat_interval)));
  welcome.set_death_milliseconds(
      static_cast<std::int32_t>(absl::ToInt64Milliseconds(config_.death_after)));
  output_.Send(stream, message);
  Note(absl::StrCat(
      hello.worker_id(), " joined at ", worker.target(),
      worker.held_epoch == 0 ? "" : absl::StrCat(", holding epoch ", worker.held_epoch)));
  HaltIfLate(worker);
}

void Coordinator::OnMessage(Worker& worker, const v1::WorkerMessage& message) {
  worker.last_heard = clock_.Now();
  switch (message.kind_case()) {
    case v1::WorkerMessage::kHeartbeat:
      if (!CountLoad(message.heartbeat())) {
        Remove(worker.id(), absl::InvalidArgumentError("load of an expert that is none"));
        break;
      }
      OnHeartbeat(worker, message.heartbeat());
      break;
    case v1::WorkerMessage::kPrepared:
      OnPrepared(worker, message.prepared());
      break;
    case v1::WorkerMessage::kCommitted:
      OnCommitted(worker, message.committed().epoch());
      break;
    case v1::WorkerMessage::kLeaving:
      Leave(worker);
      break;
    case v1::WorkerMessage::kRetired:
      OnRetired(worker, message.retired().epoch());
      break;
    case v1::WorkerMessage::kHalted:
      OnHalted(worker, message.halted().before());
      break;
    default:
      Remove(worker.id(), absl::InvalidArgumentError("a message of no known kind"));
  }
}

void Coordinator::OnHeartbeat(Worker& worker, const v1::Heartbeat& beat) {
  worker.beat = beat;
  const bool idle = beat.running() == 0 && beat.waiting() == 0;
  worker.idle_beats = worker.leaving && idle ? worker.idle_beats + 1 : 0;
  if (worker.started) return;
  worker.started = true;
  ++quiet_changes_;
  if (!worker.is_whole()) last_join_ = clock_.Now();
}

void Coordinator::Leave(Worker& worker) {
  if (worker.leaving) return;
  worker.leaving = true;
  Note(absl::StrCat(worker.id(), " is leaving"));
}

void Coordinator::EndStream(StreamId stream, const absl::Status& status) {
  streams_.erase(stream);
  output_.End(stream, status);
}

void Coordinator::Remove(const std::string& worker_id, const absl::Status& status) {
  const std::string id = worker_id;  // may be a part of what goes
  EndStream(workers_.at(id).stream, status);
  Bury(id, Shown(status));
}

void Coordinator::Bury(const std::string& worker_id, const std::string& how) {
  const std::string id = worker_id;
  if (IsHolding(holders_, id)) ++holders_lost_;
  const Worker& worker = workers_.at(id);
  const v1::Role role = worker.role();
  const bool expected = worker.leaving;
  workers_.erase(id);
  Note(absl::StrCat(id, " is gone: ", how));
  if (!expected) MakeGood(role);
  const bool was_rank = ranks_.contains(id);
  if (was_rank) BreakEpoch();
  if (!change_.has_value()) return;
  change_->participants.erase(id);
  change_->pending.erase(id);
  if (was_rank || IsHolding(change_->holders, id) || change_->ranks.contains(id)) {
    AbandonChange(absl::StrCat(id, " is gone"));
    retry_at_ = absl::InfinitePast();
  }
}

// Heartbeats that came while this process stood still are not read yet.
void Coordinator::ForgiveOwnSilence(absl::Time now) {
  const absl::Duration still = now - last_tick_;
  last_tick_ = now;
  if (still <= kLongestTick) return;
  for (auto& [stream, state] : streams_) state.opened += still;
  for (auto& [id, worker] : workers_) {
    worker.last_heard += still;
    worker.halt_deadline += still;
  }
  if (change_.has_value()) change_->deadline += still;
}

void Coordinator::EndOverdueStreams(absl::Time now) {
  std::vector<StreamId> overdue;
  for (const auto& [stream, state] : streams_) {
    if (state.worker_id.empty() && now - state.opened > config_.hello_limit) {
      overdue.push_back(stream);
    }
  }
  for (const StreamId stream : overdue) {
    EndStream(stream, absl::DeadlineExceededError(absl::StrCat(
                          "no hello within ", absl::FormatDuration(config_.hello_limit))));
  }
}

void Coordinator::EndSilentWorkers(absl::Time now) {
  std::vector<std::string> silent;
  for (const auto& [id, worker] : workers_) {
    if (worker.started && now - worker.last_heard > config_.death_after) silent.push_back(id);
  }
  for (const std::string& id : silent) {
    Remove(id, absl::AbortedError(
                   absl::StrCat("no heartbeat for ", absl::FormatDuration(config_.death_after))));
  }
}

void Coordinator::SayAlive(absl::Time now) {
  if (now - last_alive_ < config_.heartbeat_interval) return;
  last_alive_ = now;
  v1::CoordinatorMessage message;
  message.mutable_alive();
  for (const auto& [id, worker] : workers_) output_.Send(worker.stream, message);
}

void Coordinator::UpdateDirectory() {
  const bool served =
      HasMember([](const Worker& worker) { return worker.holds() && worker.started; });
  if (!served) lost_epoch_ = epoch_;
  std::vector<AttentionWorkerInfo> ready;
  for (const auto& [id, worker] : workers_) {
    if (!worker.attends() || worker.leaving) continue;
    if (worker.is_whole() ? !worker.started : worker.committed <= lost_epoch_) continue;
    ready.push_back({.worker_id = id,
                     .endpoint = worker.hello.endpoint(),
                     .cache_blocks = worker.hello.cache_blocks(),
                     .block_tokens = worker.hello.block_tokens(),
                     .max_sequences = worker.hello.max_sequences()});
  }
  const auto same = [](const AttentionWorkerInfo& a, const AttentionWorkerInfo& b) {
    return a.worker_id == b.worker_id;
  };
  if (std::equal(ready.begin(), ready.end(), directory_.begin(), directory_.end(), same)) return;
  directory_ = std::move(ready);
  ++quiet_changes_;
  output_.SetDirectory(directory_);
}

bool Coordinator::HasMember(const std::function<bool(const Worker&)>& is) const {
  return std::any_of(workers_.begin(), workers_.end(),
                     [&is](const auto& entry) { return is(entry.second); });
}

// The experts that nobody who lives computes.
std::vector<std::int32_t> Coordinator::Unheld() const {
  const bool is_whole =
      HasMember([](const Worker& worker) { return worker.is_whole() && worker.started; });
  std::vector<std::int32_t> unheld;
  if (is_whole) return unheld;
  for (std::size_t expert = 0; expert < holders_.size(); ++expert) {
    const std::vector<std::string>& list = holders_[expert];
    const bool is_held = std::any_of(list.begin(), list.end(), [this](const std::string& holder) {
      return workers_.contains(holder);
    });
    if (!is_held) unheld.push_back(static_cast<std::int32_t>(expert));
  }
  return unheld;
}

void Coordinator::UpdateCover() {
  ExpertCover cover{.holders_lost = holders_lost_};
  for (const auto& [id, worker] : workers_) {
    if (worker.attends()) ++cover.attention_workers;
  }
  const bool are_needed = HasMember([this](const Worker& worker) {
    return worker.holds() ? worker.attends() || epoch_ != 0 : !worker.is_whole();
  });
  if (are_needed) cover.missing = Unheld();
  if (cover == cover_) return;
  cover_ = std::move(cover);
  output_.SetCover(cover_);
}

}  // namespace sextant
