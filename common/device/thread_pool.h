// Threads that share the work of one kernel at a time, and park in between.
//
// ParallelFor hands out task numbers from a shared counter, so an uneven load balances itself;
// which thread runs a task must not change its result. Idle threads spin for some microseconds (a
// decode step is hundreds of short regions in a row), then sleep; at once where they outnumber the
// processors or give way. One for each processor: each is bound to its own (processor_use.h).
//
// Threads:   one thread at a time calls ParallelFor, and takes part as worker 0.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace sextant {

class ThreadPool {
 public:
  // `task` in [0, tasks), `worker` in [0, num_threads()).
  using Body = absl::FunctionRef<void(std::int64_t task, int worker)>;

  // `num_threads` counts the caller: 1 starts none. Needs num_threads >= 1.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] int num_threads() const { return static_cast<int>(threads_.size()) + 1; }

  // Runs body(task, worker) once for every task; returns when all have ended, and their writes
  // are visible to the caller. `body` must not call ParallelFor of the same pool.
  void ParallelFor(std::int64_t tasks, Body body);

 private:
  void WorkerLoop(int worker);
  void RunTasks(const Body& body, std::int64_t tasks, int worker);

  std::vector<std::thread> threads_;
  int spin_iterations_;

  // A region is published by a new epoch_; its members are written before and read after it.
  const Body* body_ = nullptr;
  std::int64_t tasks_ = 0;
  alignas(64) std::atomic<std::uint32_t> epoch_ = 0;
  alignas(64) std::atomic<std::int64_t> next_task_ = 0;
  alignas(64) std::atomic<int> busy_ = 0;  // workers that have not left the region yet
  std::atomic<bool> stop_ = false;
};

// `requested`, or one per processor where that is 0.
[[nodiscard]] int ThreadCount(std::int64_t requested);

}  // namespace sextant
