#include "common/membership/router_link.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/membership/join_stream.h"

namespace sextant {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// For a router that can be reached to say welcome, and to notice one that came up elsewhere.
constexpr milliseconds kWelcomePatience{5000};
constexpr milliseconds kFirstPause{50};
constexpr milliseconds kLongestPause{1000};
// How often the writer looks around without a reason.
constexpr milliseconds kIdleTick{100};

bool IsRefusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return true;
    default:
      return false;
  }
}

}  // namespace

RouterLink::RouterLink(std::string target, Callbacks callbacks)
    : target_(std::move(target)), callbacks_(std::move(callbacks)) {}

RouterLink::~RouterLink() { Stop(); }

void RouterLink::Start() {
  reader_ = std::thread([this] { Dial(); });
  writer_ = std::thread([this] { WriteLoop(); });
}

void RouterLink::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    if (stream_ != nullptr) stream_->Cancel();
  }
  changed_.notify_all();
  if (reader_.joinable()) reader_.join();
  if (writer_.joinable()) writer_.join();
}

void RouterLink::StartHeartbeats() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    heartbeats_ = true;
    next_beat_ = steady_clock::now();
  }
  changed_.notify_all();
}

std::uint64_t RouterLink::session() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return session_;
}

void RouterLink::Send(std::uint64_t session, v1::WorkerMessage message) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (session == 0 || session != session_) return;
    outgoing_.push_back(std::move(message));
  }
  changed_.notify_all();
}

void RouterLink::Drop(std::uint64_t session, const absl::Status& why) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (session == 0 || session != session_) return;
  drop_reason_ = why;
  stream_->Cancel();
}

void RouterLink::Dial() {
  while (DialOnce()) {
  }
}

bool RouterLink::DialOnce() {
  auto stream = std::make_shared<JoinStream>(target_);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return false;
    stream_ = stream;
    drop_reason_ = absl::OkStatus();
    last_heard_ = steady_clock::now();
    patience_ = kWelcomePatience;
  }
  stream->Open();
  v1::WorkerMessage message;
  *message.mutable_hello() = callbacks_.hello();
  if (stream->Write(message)) ReadCommands(*stream);

  std::unique_lock<std::mutex> lock(mutex_);
  const bool was_joined = session_ != 0;
  session_ = 0;
  outgoing_.clear();
  changed_.wait(lock, [this] { return !writing_; });
  lock.unlock();
  absl::Status finished = stream->Finish();
  lock.lock();
  if (!drop_reason_.ok()) finished = drop_reason_;
  stream_ = nullptr;
  lock.unlock();
  return Decide(finished, was_joined);
}

void RouterLink::ReadCommands(JoinStream& stream) {
  v1::CoordinatorMessage message;
  while (stream.Read(message)) {
    if (message.has_welcome()) {
      OnWelcome(message.welcome());
      continue;
    }
    std::uint64_t session = 0;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      last_heard_ = steady_clock::now();
      session = session_;
      goodbye_ = goodbye_ || message.has_goodbye();
    }
    const bool is_command =
        message.has_prepare() || message.has_commit() || message.has_retire() || message.has_halt();
    if (is_command && session != 0) callbacks_.command(session, std::move(message));
  }
}

void RouterLink::OnWelcome(const v1::Welcome& welcome) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    session_ = ++sessions_;
    last_heard_ = steady_clock::now();
    next_beat_ = last_heard_;
    beat_interval_ = milliseconds(std::max(1, welcome.heartbeat_milliseconds()));
    patience_ = milliseconds(std::max(1, welcome.death_milliseconds()));
  }
  changed_.notify_all();
  callbacks_.welcomed(welcome);  // the session is open to whoever waited for this
}

// Whether to dial again.
bool RouterLink::Decide(absl::Status finished, bool was_joined) {
  const bool refused = !was_joined && IsRefusal(finished);
  bool goodbye = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return false;
    goodbye = goodbye_;
    stopping_ = goodbye || refused;
  }
  changed_.notify_all();
  if (goodbye) {
    callbacks_.ended(absl::OkStatus());
    return false;
  }
  if (refused && finished.code() == absl::StatusCode::kUnimplemented) {
    finished = absl::UnimplementedError(
        absl::StrCat(target_, " serves no sextant.v1.Cluster; is it a router?"));
  }
  if (refused) {
    callbacks_.ended(finished);
    return false;
  }
  callbacks_.lost(finished.ok() ? absl::UnavailableError("the router ended the stream") : finished,
                  was_joined);
  PauseAfterFailure(was_joined);
  return true;
}

void RouterLink::PauseAfterFailure(bool was_joined) {
  pause_ = was_joined ? kFirstPause : std::clamp(pause_ * 2, kFirstPause, kLongestPause);
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, pause_, [this] { return stopping_; });
}

void RouterLink::WriteLoop() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    const SteadyTime now = steady_clock::now();
    DropIfSilent(now);
    SteadyTime wake = now + kIdleTick;
    if (session_ != 0) {
      WriteDue(lock);
      if (heartbeats_) wake = std::min(wake, next_beat_);
    }
    if (outgoing_.empty()) changed_.wait_until(lock, wake);
  }
}

void RouterLink::DropIfSilent(SteadyTime now) {
  if (stream_ == nullptr || !drop_reason_.ok() || now - last_heard_ <= patience_) return;
  drop_reason_ = absl::UnavailableError(
      absl::StrCat("nothing heard from ", target_, " for ", patience_.count(), " ms"));
  stream_->Cancel();
}

// Writes without the lock; writing_ keeps the reader from finishing the stream meanwhile.
void RouterLink::WriteDue(std::unique_lock<std::mutex>& lock) {
  std::deque<v1::WorkerMessage> due;
  due.swap(outgoing_);
  const SteadyTime now = steady_clock::now();
  const bool beat = heartbeats_ && now >= next_beat_;
  if (due.empty() && !beat) return;
  if (beat) next_beat_ = now + beat_interval_;
  const std::shared_ptr<JoinStream> stream = stream_;
  writing_ = true;
  lock.unlock();
  if (beat) callbacks_.fill_heartbeat(*due.emplace_back().mutable_heartbeat());
  for (const v1::WorkerMessage& message : due) {
    if (!stream->Write(message)) break;
  }
  lock.lock();
  writing_ = false;
  changed_.notify_all();
}

}  // namespace sextant
