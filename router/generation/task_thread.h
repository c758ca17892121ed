// The thread that owns a state: runs what others post, in order, and keeps its time.
//
// Bounds:    what is posted is not limited here: whoever posts must be (a call posts once for each
//            thing that happens to it, a stream reads on only when its last reports were taken).
// Threads:   Post from any; tasks and ticks run in the thread's own.
// Shutdown:  Stop runs what has been posted, joins, and drops what is posted later.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace sextant::router {

class TaskThread {
 public:
  using Task = absl::AnyInvocable<void()>;

  // `tick` runs after every batch of tasks, and at the latest at the time that it last returned.
  explicit TaskThread(std::function<absl::Time()> tick);
  ~TaskThread();
  TaskThread(const TaskThread&) = delete;
  TaskThread& operator=(const TaskThread&) = delete;

  void Post(Task task);
  void Stop();

 private:
  void Run();

  const std::function<absl::Time()> tick_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Task> tasks_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sextant::router
