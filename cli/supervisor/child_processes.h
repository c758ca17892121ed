// Real processes for the supervisor.
//
// A child is in a process group of its own, so that Ctrl-C in a terminal reaches only the
// supervisor, and is killed by the kernel when the supervisor's thread dies. Its standard error is
// the supervisor's. Its standard output is read here: lines "ready ROLE TARGET..." mean
// that it is, anything else is passed on to standard error.
//
// Signals:   SIGCHLD, SIGINT and SIGTERM are blocked in the thread that calls Open, before other
//            threads are made, and arrive as events; children get the mask that was before.
// Threads:   one, from Open to the destructor, but for Wake; Start's children die with it.
// Shutdown:  the destructor kills and reaps whoever is left.
#pragma once

#include <signal.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/supervisor/child_runner.h"

namespace sextant::cli {

class ChildProcesses final : public ChildRunner {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<ChildProcesses>> Open();
  ~ChildProcesses() override;
  ChildProcesses(const ChildProcesses&) = delete;
  ChildProcesses& operator=(const ChildProcesses&) = delete;

  [[nodiscard]] absl::StatusOr<int> Start(const ChildSpec& child) override;
  void Signal(int pid, int signal) override;

  [[nodiscard]] std::vector<ChildEvent> Wait(absl::Duration longest) override;
  void Wake() override;

 private:
  struct Output {
    int pid = 0;
    std::string line{};  // what has come of the next one
  };

  ChildProcesses() = default;
  void ReadSignals(std::vector<ChildEvent>& events);
  void ReapChildren(std::vector<ChildEvent>& events);
  // False when the child has closed it.
  bool ReadOutput(int descriptor, Output& output, std::vector<ChildEvent>& events);

  sigset_t mask_before_{};
  int signals_ = -1;               // a signalfd
  int wake_ = -1;                  // an eventfd
  std::map<int, Output> outputs_;  // by descriptor
  std::vector<int> running_;       // process ids
};

}  // namespace sextant::cli
