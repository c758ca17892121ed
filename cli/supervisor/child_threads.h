// Programs as threads of this process: `sextant up --in-process`. They reach each other through
// sockets as processes do, so that a debugger or a profiler sees a whole cluster in one process.
//
// A child's "process id" is its thread's, as the system numbers them. SIGTERM asks it to stop. A
// thread cannot be killed: SIGKILL ends the whole process at once, with status 1.
//
// Signals:   SIGINT and SIGTERM are blocked in the thread that calls Open, before other threads are
//            made, and arrive as events.
// Threads:   one calls everything but Wake; each child has one that runs its program.
// Shutdown:  the destructor asks whoever is left to stop, and waits for it.
#pragma once

#include <signal.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "cli/supervisor/child_runner.h"
#include "common/base/mutex.h"
#include "common/program/program.h"

namespace sextant::cli {

class ChildThreads final : public ChildRunner {
 public:
  using Programs = std::map<std::string, std::function<Program>>;  // by the name in arguments[0]

  [[nodiscard]] static absl::StatusOr<std::unique_ptr<ChildThreads>> Open(Programs programs);
  ~ChildThreads() override;
  ChildThreads(const ChildThreads&) = delete;
  ChildThreads& operator=(const ChildThreads&) = delete;

  // Errors: NotFound for a program that is not among those of Open.
  [[nodiscard]] absl::StatusOr<int> Start(const ChildSpec& child) override;
  void Signal(int pid, int signal) override;
  [[nodiscard]] std::vector<ChildEvent> Wait(absl::Duration longest) override;
  void Wake() override;

 private:
  struct Child {
    std::unique_ptr<StopFlag> stop = std::make_unique<StopFlag>();
    std::thread thread = {};
  };

  explicit ChildThreads(Programs programs) : programs_(std::move(programs)) {}
  void Add(ChildEvent event);

  const Programs programs_;
  sigset_t mask_before_{};
  int signals_ = -1;  // a signalfd
  int wake_ = -1;     // an eventfd, readable when there are events
  std::map<int, Child> children_;

  Mutex mutex_;
  std::vector<ChildEvent> events_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sextant::cli
