// `sextant up` as a process of a test: a whole cluster on this host, at a port of the system's
// choosing.
//
// Threads: one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/supervisor/child_processes.h"
#include "proto/sextant/v1/admin.grpc.pb.h"
#include "tests/support/temp_dir.h"

namespace sextant {

class UpProcess {
 public:
  struct Options {
    std::string model;
    int attention = 1;
    int experts = 2;
    int whole = 0;
    // More of the configuration: "attention_worker:\n  prefix_cache: false\n".
    std::string yaml{};
    bool in_process = false;
  };

  // Returns when the cluster serves. Errors: when it does not within a minute, or ends.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<UpProcess>> Start(const Options& options);

  // Where the router listens.
  [[nodiscard]] const std::string& target() const { return target_; }
  [[nodiscard]] int pid() const { return pid_; }

  [[nodiscard]] absl::StatusOr<v1::ClusterStatus> Status() const;
  // Asks until `wanted` holds. Errors: DeadlineExceeded with the last status after a minute.
  [[nodiscard]] absl::StatusOr<v1::ClusterStatus> WaitUntil(
      const std::function<bool(const v1::ClusterStatus&)>& wanted) const;

  // To `sextant up` alone.
  void Signal(int signal);
  // Its exit status; minus a signal that killed it. Errors: DeadlineExceeded.
  [[nodiscard]] absl::StatusOr<int> WaitForExit(absl::Duration longest);

 private:
  UpProcess() = default;

  const TempDir dir_;
  std::unique_ptr<cli::ChildProcesses> processes_;
  int pid_ = 0;
  std::string target_;
  std::unique_ptr<v1::Admin::Stub> admin_;
};

// The processes whose parent is `pid`.
[[nodiscard]] std::vector<int> ChildrenOf(int pid);

// Neither running nor waiting to be reaped.
[[nodiscard]] bool IsGone(int pid);

}  // namespace sextant
