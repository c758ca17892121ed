// An idle wait that comes back at once, or fails, as the test wants.
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>

#include "attention_worker/serving/idle_wait.h"

namespace sextant {

class ScriptedWait final : public IdleWait {
 public:
  [[nodiscard]] absl::Status Wait() override {
    std::unique_lock<std::mutex> lock(mutex_);
    ++waits_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !held_ || woken_; });
    woken_ = false;
    return std::exchange(failure_, absl::OkStatus());
  }
  void WaitToRetry(const absl::Status& /*failed*/, absl::Duration /*pause*/) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++retries_;
  }
  void Wake() override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      woken_ = true;
    }
    changed_.notify_all();
  }

  [[nodiscard]] bool waits_for_others() const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return for_others_;
  }

  void SetWaitsForOthers(bool waits) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for_others_ = waits;
  }
  // From now on waits end when they are woken.
  void HoldUntilWoken() {
    const std::lock_guard<std::mutex> lock(mutex_);
    held_ = true;
  }
  void FailNext(absl::Status status) {
    const std::lock_guard<std::mutex> lock(mutex_);
    failure_ = std::move(status);
  }
  // Until the engine thread waits for the `count`-th time.
  void AwaitWaits(int count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this, count] { return waits_ >= count; });
  }
  [[nodiscard]] int retries() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return retries_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  bool woken_ = false;
  bool for_others_ = false;
  int waits_ = 0;
  int retries_ = 0;
  absl::Status failure_;
};

}  // namespace sextant
