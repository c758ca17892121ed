// A router and workers as processes that can be killed, frozen and replaced one by one; what a
// supervisor does with those that have died is done here, at once.
//
// A worker lives in a slot: a place among the workers of its kind that is filled again by another
// process when one dies, and empty after it was drained.
//
// Threads: one, from Start to the destructor, which kills every process.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/supervisor/child_processes.h"
#include "proto/sextant/v1/admin.grpc.pb.h"
#include "tests/chaos/disturbance_plan.h"
#include "tests/support/temp_dir.h"

namespace sextant::chaos {

class DisturbedCluster {
 public:
  struct Options {
    std::string programs;  // the folder of router, attention_worker and expert_worker
    std::string model;
    int attention = 2;
    int experts = 4;
    std::string log_level = "error";
  };

  // Returns when it serves. Errors: when it does not within a minute.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<DisturbedCluster>> Start(
      const Options& options);

  // The router's, at which a restarted one listens too.
  [[nodiscard]] const std::string& target() const { return target_; }

  // Looks after the processes for that long: the dead are replaced.
  void Serve(absl::Duration how_long);

  // To the process that is in the slot; nothing if there is none.
  void Signal(WorkerKind worker, int slot, int signal);
  // Fills the first `count` slots of expert workers and drains the others.
  void ScaleExperts(int count);
  // Kills the router and starts another one at its address.
  void RestartRouter();

  [[nodiscard]] absl::StatusOr<v1::ClusterStatus> Status() const;
  // Serves until `wanted` holds. Errors: DeadlineExceeded with the last status.
  [[nodiscard]] absl::StatusOr<v1::ClusterStatus> WaitUntil(
      absl::FunctionRef<bool(const v1::ClusterStatus&)> wanted, absl::Duration longest);
  // Every worker that there is to be is ready, and each expert has a holder.
  [[nodiscard]] absl::Status WaitUntilWhole(absl::Duration longest);

  // Processes that ended by themselves and not by a signal of ours or by draining.
  [[nodiscard]] const std::vector<std::string>& crashes() const { return crashes_; }

 private:
  struct Process {
    std::string name;
    cli::ChildKind kind = cli::ChildKind::kExpertWorker;
    int pid = 0;
    bool wanted = true;  // is replaced when it ends
    bool ready = false;
  };

  explicit DisturbedCluster(const Options& options) : options_(options) {}

  [[nodiscard]] absl::Status StartProcess(Process& process);
  void HandleEvents(absl::Duration longest);
  [[nodiscard]] Process* Find(WorkerKind worker, int slot);
  [[nodiscard]] int CountWanted(WorkerKind worker) const;

  const Options options_;
  const TempDir dir_;
  std::string target_;
  std::unique_ptr<cli::ChildProcesses> processes_;
  Process router_{.name = "router", .kind = cli::ChildKind::kRouter};
  std::vector<Process> workers_;
  std::set<int> killed_;  // by us
  std::vector<std::string> crashes_;
  std::unique_ptr<v1::Admin::Stub> admin_;
};

}  // namespace sextant::chaos
