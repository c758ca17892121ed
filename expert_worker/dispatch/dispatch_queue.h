// The dispatches that wait, between the threads that receive them and the one that computes.
// Whoever takes the oldest gets with it everything else that waits for the same layer.
//
// Threads:   any number push, one pops.
// Shutdown:  after Close pushes are refused and Pop returns what is left, then nothing.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "expert_worker/dispatch/pending_dispatch.h"

namespace sextant {

class DispatchQueue {
 public:
  explicit DispatchQueue(std::size_t capacity) : capacity_(capacity) {}

  // False when the queue is full or closed; `dispatch` is then untouched.
  [[nodiscard]] bool TryPush(PendingDispatch&& dispatch);

  // Waits for a dispatch; returns it and, in the order of their arrival, those of its layer, as
  // long as they have at most `max_pairs` pairs together. Empty when the queue is closed and empty.
  [[nodiscard]] std::vector<PendingDispatch> Pop(std::int64_t max_pairs);

  void Close();

  [[nodiscard]] std::size_t size() const;

 private:
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<PendingDispatch> waiting_;
  bool closed_ = false;
};

}  // namespace sextant
