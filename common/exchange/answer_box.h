// Where the streams to the expert workers leave what has happened, for the thread that collects.
//
// Threads:   any thread posts; one takes. Holds no more than the streams let through: one answer
//            for every frame that was sent, and one end for every stream.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/exchange/dispatch_ledger.h"

namespace sextant {

template <typename Bytes>
class AnswerBox {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  struct Event {
    HolderId holder = 0;
    std::uint64_t stream = 0;     // which of the holder's streams, ascending
    std::optional<Bytes> answer;  // none: the stream has ended
    absl::Status end;             // why
  };

  void Post(Event event) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      events_.push_back(std::move(event));
    }
    changed_.notify_one();
  }

  // Makes Wait return, with or without events.
  void Wake() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      woken_ = true;
    }
    changed_.notify_one();
  }

  // Waits for an event, a Wake, or the time; returns all events.
  [[nodiscard]] std::vector<Event> Wait(TimePoint until) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto ready = [this] { return woken_ || !events_.empty(); };
    if (until == TimePoint::max()) {
      changed_.wait(lock, ready);
    } else {
      changed_.wait_until(lock, until, ready);
    }
    woken_ = false;
    return std::exchange(events_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Event> events_;
  bool woken_ = false;
};

}  // namespace sextant
