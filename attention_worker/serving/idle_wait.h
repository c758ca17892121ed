// Where the engine thread waits when there is nothing to compute.
//
// Threads: the engine thread waits; everything else any thread, at any time.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "attention_worker/serving/wake_signal.h"

namespace sextant {

class IdleWait {
 public:
  virtual ~IdleWait() = default;

  // The engine has no sequence: until Wake, or earlier for whatever reason. Errors: the engine
  // cannot go on.
  [[nodiscard]] virtual absl::Status Wait() = 0;

  // A step could not be made, for this reason, and will be tried again: for `pause`, or until Wake,
  // or not at all where the next attempt waits by itself.
  virtual void WaitToRetry(const absl::Status& failed, absl::Duration pause) = 0;

  // Ends a wait, or the next one; and whatever keeps a step that cannot begin.
  virtual void Wake() = 0;

  // Whether the engine thread waits now, in a wait or in a step, for what others have to do first.
  [[nodiscard]] virtual bool waits_for_others() const { return false; }
};

// Of an engine that nobody else waits for.
class SignalWait final : public IdleWait {
 public:
  [[nodiscard]] absl::Status Wait() override {
    signal_.Wait();
    return absl::OkStatus();
  }
  void WaitToRetry(const absl::Status& /*failed*/, absl::Duration pause) override {
    signal_.Wait(pause);
  }
  void Wake() override { signal_.Notify(); }

 private:
  WakeSignal signal_;
};

}  // namespace sextant
