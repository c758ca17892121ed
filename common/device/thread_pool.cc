#include "common/device/thread_pool.h"

#include "common/base/check.h"
#include "common/device/processor_use.h"

namespace sextant {
namespace {

// About 50 microseconds of pause instructions.
constexpr int kSpinIterations = 2000;

// The pool whose threads the calling thread has bound, itself among them.
thread_local const void* bound_pool = nullptr;

void Pause() { __builtin_ia32_pause(); }

}  // namespace

ThreadPool::ThreadPool(int num_threads) {
  CHECK_GE(num_threads, 1);
  const unsigned processors = std::thread::hardware_concurrency();
  const bool spins = static_cast<unsigned>(num_threads) <= processors && !GivesWay();
  spin_iterations_ = spins ? kSpinIterations : 0;
  threads_.reserve(static_cast<std::size_t>(num_threads - 1));
  for (int worker = 1; worker < num_threads; ++worker) {
    threads_.emplace_back([this, worker] { WorkerLoop(worker); });
  }
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::RunTasks(const Body& body, std::int64_t tasks, int worker) {
  for (;;) {
    const std::int64_t task = next_task_.fetch_add(1, std::memory_order_relaxed);
    if (task >= tasks) return;
    body(task, worker);
  }
}

void ThreadPool::ParallelFor(std::int64_t tasks, Body body) {
  if (tasks <= 0) return;
  if (threads_.empty() || tasks == 1) {
    for (std::int64_t task = 0; task < tasks; ++task) body(task, 0);
    return;
  }
  if (bound_pool != this) {
    bound_pool = this;
    BindEachToOneProcessor(threads_);
  }
  body_ = &body;
  tasks_ = tasks;
  next_task_.store(0, std::memory_order_relaxed);
  busy_.store(static_cast<int>(threads_.size()), std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();

  RunTasks(body, tasks, 0);

  for (int spin = 0; spin < spin_iterations_; ++spin) {
    if (busy_.load(std::memory_order_acquire) == 0) return;
    Pause();
  }
  for (int busy = busy_.load(std::memory_order_acquire); busy != 0;
       busy = busy_.load(std::memory_order_acquire)) {
    busy_.wait(busy, std::memory_order_acquire);
  }
}

void ThreadPool::WorkerLoop(int worker) {
  std::uint32_t seen = 0;
  for (;;) {
    for (int spin = 0; spin < spin_iterations_; ++spin) {
      if (epoch_.load(std::memory_order_acquire) != seen) break;
      Pause();
    }
    epoch_.wait(seen, std::memory_order_acquire);
    seen = epoch_.load(std::memory_order_acquire);
    if (stop_.load(std::memory_order_relaxed)) return;
    RunTasks(*body_, tasks_, worker);
    if (busy_.fetch_sub(1, std::memory_order_release) == 1) busy_.notify_one();
  }
}

int ThreadCount(std::int64_t requested) {
  if (requested > 0) return static_cast<int>(requested);
  const unsigned processors = std::thread::hardware_concurrency();
  return processors > 0 ? static_cast<int>(processors) : 1;
}

}  // namespace sextant
