#include "attention_worker/serving/engine_thread.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace sextant {
namespace {

// Nothing is wrong with the sequences: the experts may be back at the next attempt.
bool IsWorthRetrying(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsCancelled(status) || absl::IsAborted(status);
}

EngineLoad LoadOf(const EngineStats& stats) {
  return {.running = stats.running, .waiting = stats.held_back, .free_blocks = stats.free_blocks};
}

// Streams keep it, for as long as they like.
std::shared_ptr<IdleWait> IdleWaitOf(const EngineThread::Options& options) {
  if (options.idle_wait == nullptr) return std::make_shared<SignalWait>();
  return {std::shared_ptr<void>(), options.idle_wait};  // somebody else's
}

}  // namespace

EngineThread::EngineThread(Engine& engine, Options options)
    : engine_(engine),
      options_(std::move(options)),
      clock_(options_.clock != nullptr ? *options_.clock : real_clock_),
      idle_wait_(IdleWaitOf(options_)) {
  Publish();
  thread_ = std::thread([this] { Run(); });
}

EngineThread::~EngineThread() { Stop(); }

absl::StatusOr<std::shared_ptr<SequenceStream>> EngineThread::Open(
    std::shared_ptr<StreamListener> listener) {
  auto stream = std::make_shared<SequenceStream>(idle_wait_);
  {
    const MutexLock lock(mutex_);
    if (closed_) return absl::UnavailableError("this attention worker is leaving; ask another one");
    if (num_streams_ >= options_.max_streams) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "this attention worker serves ", num_streams_, " streams already; a router needs one"));
    }
    ++num_streams_;
    opened_.push_back(std::make_unique<StreamSession>(engine_, stream, std::move(listener)));
  }
  idle_wait_->Wake();
  return stream;
}

absl::Status EngineThread::Refusal() const {
  if (!draining_) return absl::OkStatus();
  return absl::UnavailableError("this attention worker is leaving; ask another one");
}

void EngineThread::Run() {
  while (!stopping_) {
    AdoptStreams();
    ServeStreams();
    Deliver();
    Publish();
    if (engine_.idle()) {
      Idle();
    } else {
      Step();
    }
  }
  AdoptStreams();
  for (const auto& session : sessions_) {
    session->End(absl::UnavailableError("this attention worker has stopped"));
  }
  sessions_.clear();
  Publish();
}

void EngineThread::AdoptStreams() {
  const MutexLock lock(mutex_);
  for (auto& session : opened_) sessions_.push_back(std::move(session));
  opened_.clear();
}

void EngineThread::ServeStreams() {
  const absl::Status refusal = Refusal();
  std::size_t ended = 0;
  for (auto session = sessions_.begin(); session != sessions_.end();) {
    if ((*session)->ServeCommands(refusal)) {
      ++session;
    } else {
      session = sessions_.erase(session);
      ++ended;
    }
  }
  const MutexLock lock(mutex_);
  num_streams_ -= ended;
}

void EngineThread::Idle() {
  const absl::Status status = idle_wait_->Wait();
  if (status.ok()) return;
  if (options_.on_failure != nullptr) options_.on_failure(status);
  idle_wait_->WaitToRetry(status, options_.retry_pause);
}

void EngineThread::Step() {
  const absl::Time begin = clock_.Now();
  absl::StatusOr<std::vector<TokenEvent>> events = engine_.Step();
  const absl::Status status = events.status();
  if (events.ok()) {
    Route(*std::move(events));
  } else if (!IsWorthRetrying(status)) {
    if (options_.on_failure != nullptr) options_.on_failure(status);
    Route(engine_.FailRunning(status));
  }
  Deliver();
  Publish();
  if (options_.on_step != nullptr) {
    options_.on_step(
        {.status = status, .duration = clock_.Now() - begin, .stats = engine_.stats()});
  }
  if (IsWorthRetrying(status) && !absl::IsAborted(status)) {
    idle_wait_->WaitToRetry(status, options_.retry_pause);
  }
}

void EngineThread::Route(std::vector<TokenEvent> events) {
  for (TokenEvent& event : events) {
    for (const auto& session : sessions_) {
      if (session->Take(event)) break;
    }
  }
}

void EngineThread::Deliver() {
  const EngineLoad load = LoadOf(engine_.stats());
  std::size_t ended = 0;
  for (auto session = sessions_.begin(); session != sessions_.end();) {
    if ((*session)->Deliver(load)) {
      ++session;
    } else {
      session = sessions_.erase(session);
      ++ended;
    }
  }
  const MutexLock lock(mutex_);
  num_streams_ -= ended;
}

void EngineThread::Publish() {
  const bool busy = !engine_.idle();
  {
    const MutexLock lock(mutex_);
    snapshot_ = {.stats = engine_.stats(), .moved = clock_.Now(), .busy = busy};
  }
  if (!busy) ended_.Notify();
}

EngineStats EngineThread::stats() const {
  const MutexLock lock(mutex_);
  return snapshot_.stats;
}

EngineLoad EngineThread::load() const { return LoadOf(stats()); }

bool EngineThread::Progressing(absl::Duration patience) const {
  if (idle_wait_->waits_for_others()) return true;
  const MutexLock lock(mutex_);
  return !snapshot_.busy || clock_.Now() - snapshot_.moved <= patience;
}

void EngineThread::BeginDrain() {
  draining_ = true;
  {
    const MutexLock lock(mutex_);
    closed_ = true;
  }
  idle_wait_->Wake();
}

bool EngineThread::WaitIdle(absl::Duration grace) {
  const absl::Time deadline = absl::Now() + grace;
  while (true) {
    {
      const MutexLock lock(mutex_);
      if (!snapshot_.busy) return true;
    }
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    ended_.Wait(left);
  }
}

void EngineThread::Stop() {
  BeginDrain();
  stopping_ = true;
  idle_wait_->Wake();
  if (thread_.joinable()) thread_.join();
}

}  // namespace sextant
