#include "router/generation/task_thread.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/time/clock.h"

namespace sextant::router {
namespace {

// A tick at least so often; the time that the condition variable waits stays small.
constexpr absl::Duration kLongestWait = absl::Seconds(1);

}  // namespace

TaskThread::TaskThread(std::function<absl::Time()> tick)
    : tick_(std::move(tick)), thread_([this] { Run(); }) {}

TaskThread::~TaskThread() { Stop(); }

void TaskThread::Post(Task task) {
  bool was_empty = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return;
    was_empty = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  if (was_empty) wake_.notify_one();
}

void TaskThread::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void TaskThread::Run() {
  std::vector<Task> batch;
  absl::Time next = absl::InfinitePast();
  for (;;) {
    bool stopping = false;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      const absl::Duration pause = std::min(next - absl::Now(), kLongestWait);
      if (pause > absl::ZeroDuration()) {
        wake_.wait_for(lock, absl::ToChronoNanoseconds(pause),
                       [this] { return stopping_ || !tasks_.empty(); });
      }
      batch.swap(tasks_);
      stopping = stopping_;
    }
    for (Task& task : batch) task();
    if (stopping && batch.empty()) return;
    batch.clear();
    next = tick_();
  }
}

}  // namespace sextant::router
