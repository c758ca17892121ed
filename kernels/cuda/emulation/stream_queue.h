// What was put on an emulated stream and has not happened yet.
//
// A GPU would have begun long ago; here nothing happens until somebody waits. Memory that is
// overwritten or freed too early, and results that are read without waiting, therefore show in
// every run.
// Capture:   between BeginCapture and EndCapture work is taken down instead, for any number of
//            launches.
// Errors:    the first thing that goes wrong on a GPU is kept; from then on nothing happens there,
//            and every call fails with it.
// Threads:   one at a time for a queue and the moments put there; those of a GPU's other queues go
//            on meanwhile. Work runs on the thread that waits.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/base/mutex.h"
#include "common/device/device_stream.h"

namespace sextant::emulation {

class StreamQueue;

// When everything that had been put on a stream before had happened.
struct StreamMoment {
  std::atomic<StreamQueue*> queue = nullptr;  // where it was put last; null: nowhere yet
  std::uint64_t place = 0;                    // in the order of what was put there
  std::chrono::steady_clock::time_point came;
};

// One thing to do, or a moment to note.
struct QueuedWork {
  std::function<DeviceStatus()> run;
  std::shared_ptr<StreamMoment> moment;
};
using CapturedWork = std::vector<QueuedWork>;

// Of a GPU. Any thread.
class FirstFault {
 public:
  [[nodiscard]] bool any() const { return !status().ok(); }
  [[nodiscard]] DeviceStatus status() const;
  void Note(const DeviceStatus& status);

 private:
  mutable Mutex mutex_;
  DeviceError error_ ABSL_GUARDED_BY(mutex_) = DeviceError::kNone;
  std::string message_ ABSL_GUARDED_BY(mutex_);  // never changes again once there is an error
};

class StreamQueue {
 public:
  explicit StreamQueue(FirstFault& fault) : fault_(&fault) {}
  StreamQueue(const StreamQueue&) = delete;
  StreamQueue& operator=(const StreamQueue&) = delete;

  DeviceStatus Add(QueuedWork work);
  [[nodiscard]] bool empty() const { return pending_.empty(); }

  // Does all that is pending, or what was put before a moment of this queue.
  DeviceStatus Run() { return RunUntil(added_); }
  DeviceStatus RunUntil(const StreamMoment& moment) { return RunUntil(moment.place); }
  // Whether the moment that was put down last has come.
  [[nodiscard]] bool HasCome(const StreamMoment& moment) const { return moment.place <= done_; }

  [[nodiscard]] bool capturing() const { return capturing_; }
  void BeginCapture();
  // Whatever is being captured cannot become a graph any more.
  void SpoilCapture() { spoilt_ = true; }
  DeviceStatus EndCapture(CapturedWork* captured);

 private:
  DeviceStatus RunUntil(std::uint64_t place);

  FirstFault* fault_;
  std::deque<QueuedWork> pending_;
  std::uint64_t added_ = 0;
  std::uint64_t done_ = 0;
  bool capturing_ = false;
  bool spoilt_ = false;
  CapturedWork captured_;
};

}  // namespace sextant::emulation
