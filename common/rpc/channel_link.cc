#include "common/rpc/channel_link.h"

namespace sextant {

void ChannelLink::Add() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++calls_;
}

void ChannelLink::Remove() {
  // Under the lock: whoever waits may destroy this as soon as it is let go.
  const std::lock_guard<std::mutex> lock(mutex_);
  --calls_;
  changed_.notify_all();
}

bool ChannelLink::idle() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return calls_ == 0;
}

void ChannelLink::WaitUntilIdle() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return calls_ == 0; });
}

}  // namespace sextant
