#include "common/program/stop_source.h"

namespace sextant {

void StopFlag::Wait() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return asked_; });
}

bool StopFlag::WaitFor(absl::Duration longest) {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, absl::ToChronoNanoseconds(longest), [this] { return asked_; });
}

void StopFlag::Request() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    asked_ = true;
  }
  changed_.notify_all();
}

}  // namespace sextant
