// Threads for work that would hold up others: checking and tokenizing what clients send.
//
// Threads:   TryPost from any.
// Shutdown:  Stop runs what has been posted, then joins.
#pragma once

#include <cstddef>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/concurrency/bounded_queue.h"

namespace sextant::router {

class WorkPool {
 public:
  using Work = absl::AnyInvocable<void()>;

  WorkPool(int threads, std::size_t capacity);
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // False when as much as `capacity` is waiting, or after Stop; `work` is then untouched.
  [[nodiscard]] bool TryPost(Work&& work) { return queue_.TryPush(std::move(work)); }
  void Stop();

 private:
  BoundedQueue<Work> queue_;
  std::vector<std::thread> threads_;
};

}  // namespace sextant::router
