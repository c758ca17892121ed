// The stream to the router, kept up: dials, says hello, waits for the welcome, sends heartbeats,
// listens; when the stream breaks or falls silent, all of it again.
//
// A session is one welcomed stream. Commands carry its number and answers name it, so that nothing
// that belongs to a lost session reaches the next one.
//
// Threads:   two of its own: one dials and reads (hello, welcomed, command, lost, ended), one
//            writes (fill_heartbeat). The callbacks run in them without any lock, and must not
//            stop the link. The methods may be called by any thread; Start and Stop by one.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "proto/sextant/v1/cluster.pb.h"

namespace sextant {

class JoinStream;

class RouterLink {
 public:
  struct Callbacks {
    std::function<v1::Hello()> hello;  // what to say now
    std::function<void(const v1::Welcome&)> welcomed;
    std::function<void(std::uint64_t session, v1::CoordinatorMessage command)> command;
    std::function<void(v1::Heartbeat&)> fill_heartbeat;
    // An attempt to join failed, or a session was lost; another one follows.
    std::function<void(const absl::Status& why, bool was_joined)> lost;
    // Goodbye (OK) or refused; nothing follows.
    std::function<void(const absl::Status& status)> ended;
  };

  RouterLink(std::string target, Callbacks callbacks);
  ~RouterLink();
  RouterLink(const RouterLink&) = delete;
  RouterLink& operator=(const RouterLink&) = delete;

  void Start();
  void Stop();

  // From now on, in every session, the first one at once.
  void StartHeartbeats();

  // The number of the session, 0 without one.
  [[nodiscard]] std::uint64_t session() const;

  // Sends soon, unless `session` is over.
  void Send(std::uint64_t session, v1::WorkerMessage message);

  // Ends the session, for the two sides disagree; the next one begins with a hello.
  void Drop(std::uint64_t session, const absl::Status& why);

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;

  void Dial();
  bool DialOnce();  // whether to dial again
  void ReadCommands(JoinStream& stream);
  void OnWelcome(const v1::Welcome& welcome);
  bool Decide(absl::Status finished, bool was_joined);  // whether to dial again
  void PauseAfterFailure(bool was_joined);

  void WriteLoop();
  void WriteDue(std::unique_lock<std::mutex>& lock);
  void DropIfSilent(SteadyTime now);

  const std::string target_;
  const Callbacks callbacks_;
  std::thread reader_;
  std::thread writer_;
  std::chrono::milliseconds pause_{0};  // the reader's

  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  bool stopping_ = false;
  bool heartbeats_ = false;
  bool writing_ = false;  // the writer uses stream_ without the lock
  bool goodbye_ = false;
  std::shared_ptr<JoinStream> stream_;
  std::uint64_t session_ = 0;
  std::uint64_t sessions_ = 0;
  std::deque<v1::WorkerMessage> outgoing_;
  absl::Status drop_reason_;
  SteadyTime last_heard_;
  SteadyTime next_beat_;
  std::chrono::milliseconds beat_interval_{0};
  std::chrono::milliseconds patience_{0};  // with a silent router
};

}  // namespace sextant
