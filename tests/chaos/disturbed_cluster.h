// A cluster of `sextant up` whose processes are killed, frozen and scaled one by one.
//
// A worker is named by its slot: its place among the ready workers of its kind, in the order of
// their process ids. Who was stopped is remembered by the slot that it had then.
//
// Threads: one, from Start to the destructor, which kills every process.
#pragma once

#include <csignal>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/chaos/disturbance_plan.h"
#include "tests/integration/cluster/up_process.h"

namespace sextant::chaos {

class DisturbedCluster {
 public:
  struct Options {
    std::string model;
    int attention = 2;
    int experts = 4;
  };

  // Returns when it serves. Errors: when it does not within a minute.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<DisturbedCluster>> Start(
      const Options& options);

  // The router's, at which a restarted one listens too.
  [[nodiscard]] const std::string& target() const { return up_->target(); }

  void Kill(WorkerKind worker, int slot);
  // May be repeated for one that was let go by LetRun.
  void Stop(WorkerKind worker, int slot);
  void LetRun(WorkerKind worker, int slot) { SignalStopped(worker, slot, SIGCONT); }
  // Those that were stopped by that name: another process may have the slot by now.
  void Continue(WorkerKind worker, int slot);
  void KillStopped(WorkerKind worker, int slot);
  // By `sextant scale`, which is not waited for.
  void ScaleExperts(int count);
  // Kills the router; its supervisor starts another one.
  void KillRouter();

  [[nodiscard]] absl::StatusOr<v1::ClusterStatus> Status() const { return up_->Status(); }
  // Every worker that there is to be is ready, and each expert has a holder.
  // Errors: DeadlineExceeded with the last status.
  [[nodiscard]] absl::Status WaitUntilWhole(absl::Duration longest) const;

  // Workers that were killed by Kill and had joined.
  [[nodiscard]] int killed() const { return killed_; }
  // What `sextant scale` said when it failed; waits for those that run.
  [[nodiscard]] std::vector<std::string> ScaleFailures();

 private:
  using Slot = std::pair<WorkerKind, int>;

  explicit DisturbedCluster(const Options& options) : options_(options) {}

  // 0 when no worker of the kind is ready.
  [[nodiscard]] int PidOf(WorkerKind worker, int slot) const;
  void SignalStopped(WorkerKind worker, int slot, int signal);

  const Options options_;
  std::unique_ptr<UpProcess> up_;
  std::map<Slot, int> stopped_;  // process ids
  int experts_ = 0;              // that there are to be
  int killed_ = 0;
  std::vector<std::future<std::string>> scalings_;
};

}  // namespace sextant::chaos
