#include "kernels/cuda/emulation/stream_queue.h"

#include <utility>

#include "common/base/check.h"

namespace sextant::emulation {

DeviceStatus FirstFault::status() const {
  const MutexLock lock(mutex_);
  return {error_, message_.c_str()};
}

void FirstFault::Note(const DeviceStatus& status) {
  const MutexLock lock(mutex_);
  if (error_ != DeviceError::kNone) return;
  error_ = status.error;
  message_ = status.message;
}

DeviceStatus StreamQueue::Add(QueuedWork work) {
  if (fault_->any()) return fault_->status();
  if (capturing_) {
    captured_.push_back(std::move(work));
    return {};
  }
  ++added_;
  if (work.moment != nullptr) {
    work.moment->queue = this;
    work.moment->place = added_;
  }
  pending_.push_back(std::move(work));
  return {};
}

DeviceStatus StreamQueue::RunUntil(std::uint64_t place) {
  while (!fault_->any() && done_ < place) {
    const QueuedWork work = std::move(pending_.front());
    pending_.pop_front();
    ++done_;
    if (work.run != nullptr) {
      if (const DeviceStatus status = work.run(); !status.ok()) fault_->Note(status);
    }
    if (work.moment != nullptr) work.moment->came = std::chrono::steady_clock::now();
  }
  if (!fault_->any()) return {};
  pending_.clear();
  done_ = added_;
  return fault_->status();
}

void StreamQueue::BeginCapture() {
  CHECK(!capturing_);
  capturing_ = true;
  spoilt_ = false;
}

DeviceStatus StreamQueue::EndCapture(CapturedWork* captured) {
  CHECK(capturing_);
  capturing_ = false;
  *captured = std::exchange(captured_, {});
  if (!spoilt_) return {};
  captured->clear();
  return {DeviceError::kDevice, "the capture holds something that cannot be captured"};
}

}  // namespace sextant::emulation
