// Wakes a thread that has nothing to do.
//
// Threads: any number notify, one waits. A notification while nobody waits is kept.
#pragma once

#include <condition_variable>
#include <mutex>

#include "absl/time/time.h"

namespace sextant {

class WakeSignal {
 public:
  void Notify() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      notified_ = true;
    }
    changed_.notify_one();
  }

  // Until the next notification, or at most `timeout`.
  void Wait(absl::Duration timeout = absl::InfiniteDuration()) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto notified = [this] { return notified_; };
    if (timeout == absl::InfiniteDuration()) {
      changed_.wait(lock, notified);
    } else {
      changed_.wait_for(lock, absl::ToChronoNanoseconds(timeout), notified);
    }
    notified_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool notified_ = false;
};

}  // namespace sextant
