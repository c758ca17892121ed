// An engine on a thread of its own, serving the streams of any number of routers.
//
// Between two steps the thread carries out what the streams ask for, so a cancelled sequence, or
// one whose stream has broken, is gone before the next step. A step that fails because no worker
// serves an expert is made again after a pause, for as long as there are sequences: who asked for
// them decides how long to wait. Any other failure of a step ends the sequences that ran in it.
// Without sequences the thread is at its IdleWait, where the steps of others may want it.
//
// Threads:   Open and the observing methods may be called from any thread; BeginDrain, WaitIdle and
//            Stop by one. The engine belongs to this thread from the constructor until Stop has
//            returned. Listeners, the functions of Options, and the waits of its IdleWait are
//            called by it.
// Shutdown:  BeginDrain (new sequences are refused), WaitIdle (running ones end), Stop (the rest is
//            told Unavailable and forgotten; the thread is joined). Then the engine may be freed.
//            Stop waits for the step that is being made; end its waiting for experts, or for other
//            ranks, before.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "attention_worker/engine/engine.h"
#include "attention_worker/serving/idle_wait.h"
#include "attention_worker/serving/sequence_stream.h"
#include "attention_worker/serving/stream_session.h"
#include "attention_worker/serving/wake_signal.h"
#include "common/base/mutex.h"
#include "common/concurrency/clock.h"

namespace sextant {

class EngineThread {
 public:
  struct StepReport {
    absl::Status status;
    absl::Duration duration;
    EngineStats stats;  // after the step
  };
  struct Options {
    std::size_t max_streams = 64;
    absl::Duration retry_pause = absl::Milliseconds(20);  // after a step that failed
    const Clock* clock = nullptr;                         // null: the real one
    IdleWait* idle_wait = nullptr;                        // null: for streams alone
    std::function<void(const StepReport&)> on_step = nullptr;
    // A step has failed for good, and its sequences have not been told yet, or the idle wait has;
    // may end the process.
    std::function<void(const absl::Status&)> on_failure = nullptr;
  };

  // `engine` and the clock outlive this, and the idle wait its streams as well.
  EngineThread(Engine& engine, Options options);
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  // Errors: ResourceExhausted with max_streams open ones; Unavailable once it drains or has
  // stopped.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<SequenceStream>> Open(
      std::shared_ptr<StreamListener> listener);

  // As of the last step.
  [[nodiscard]] EngineStats stats() const;
  [[nodiscard]] EngineLoad load() const;
  // Whether the engine has nothing to do, waits for others, or has made a step, though in vain,
  // within `patience`.
  [[nodiscard]] bool Progressing(absl::Duration patience) const;

  void BeginDrain();
  // Waits until no sequence is left, at most `grace`; whether that is so.
  [[nodiscard]] bool WaitIdle(absl::Duration grace);
  void Stop();

 private:
  struct Snapshot {
    EngineStats stats;
    absl::Time moved;  // when the engine thread was seen last
    bool busy = false;
  };

  void Run();
  void AdoptStreams();
  void ServeStreams();
  void Idle();
  void Step();
  void Route(std::vector<TokenEvent> events);
  void Deliver();
  void Publish();
  [[nodiscard]] absl::Status Refusal() const;

  Engine& engine_;
  const Options options_;
  const RealClock real_clock_;
  const Clock& clock_;
  const std::shared_ptr<IdleWait> idle_wait_;
  WakeSignal ended_;  // the last sequence
  std::atomic<bool> draining_ = false;
  std::atomic<bool> stopping_ = false;

  mutable Mutex mutex_;
  std::vector<std::unique_ptr<StreamSession>> opened_ ABSL_GUARDED_BY(mutex_);  // not yet adopted
  std::size_t num_streams_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;  // Open refuses
  Snapshot snapshot_ ABSL_GUARDED_BY(mutex_);

  std::list<std::unique_ptr<StreamSession>> sessions_;  // of the engine thread
  std::thread thread_;
};

}  // namespace sextant
