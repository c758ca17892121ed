#include "tests/chaos/disturbed_cluster.h"

#include <algorithm>
#include <csignal>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status.h"
#include "tests/support/run_program.h"
#include "tests/support/temp_dir.h"

namespace sextant::chaos {
namespace {

v1::Role RoleOf(WorkerKind worker) {
  return worker == WorkerKind::kAttention ? v1::ROLE_ATTENTION : v1::ROLE_EXPERT;
}

std::vector<int> ReadyPids(const v1::ClusterStatus& status, WorkerKind kind) {
  std::vector<int> pids;
  for (const v1::WorkerStatus& worker : status.workers()) {
    if (worker.role() == RoleOf(kind) && worker.state() == "ready") {
      pids.push_back(static_cast<int>(worker.pid()));
    }
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

// Nothing when it ended with status 0, or because the next one came before it was done; else all
// that it said.
std::string RunScale(const std::string& target, int count) {
  const ProgramOutcome outcome = RunProgram(
      SEXTANT_PROGRAM, absl::StrCat("scale experts ", count, " --timeout 60 --router ", target));
  const bool superseded = absl::StrContains(outcome.output, "has taken the place of this one");
  if (outcome.exit_status == 0 || superseded) return "";
  return absl::StrCat("scale experts ", count, ": ", outcome.output);
}

}  // namespace

absl::StatusOr<std::unique_ptr<DisturbedCluster>> DisturbedCluster::Start(const Options& options) {
  std::unique_ptr<DisturbedCluster> cluster(new DisturbedCluster(options));
  cluster->experts_ = options.experts;
  ASSIGN_OR_RETURN(cluster->up_, UpProcess::Start({.model = options.model,
                                                   .attention = options.attention,
                                                   .experts = options.experts}));
  return cluster;
}

int DisturbedCluster::PidOf(WorkerKind worker, int slot) const {
  const absl::StatusOr<v1::ClusterStatus> status = Status();
  if (!status.ok()) return 0;
  const std::vector<int> pids = ReadyPids(*status, worker);
  return pids.empty() ? 0 : pids[static_cast<std::size_t>(slot) % pids.size()];
}

void DisturbedCluster::Kill(WorkerKind worker, int slot) {
  const int pid = PidOf(worker, slot);
  if (pid != 0 && kill(pid, SIGKILL) == 0) ++killed_;
}

void DisturbedCluster::Stop(WorkerKind worker, int slot) {
  int& pid = stopped_[{worker, slot}];
  if (pid == 0) pid = PidOf(worker, slot);
  if (pid != 0) kill(pid, SIGSTOP);
}

void DisturbedCluster::SignalStopped(WorkerKind worker, int slot, int signal) {
  const auto stopped = stopped_.find({worker, slot});
  if (stopped != stopped_.end() && stopped->second != 0) kill(stopped->second, signal);
}

void DisturbedCluster::Continue(WorkerKind worker, int slot) {
  SignalStopped(worker, slot, SIGCONT);
  stopped_.erase({worker, slot});
}

void DisturbedCluster::KillStopped(WorkerKind worker, int slot) {
  SignalStopped(worker, slot, SIGKILL);
  stopped_.erase({worker, slot});
}

void DisturbedCluster::ScaleExperts(int count) {
  experts_ = count;
  scalings_.push_back(std::async(std::launch::async, RunScale, target(), count));
}

std::vector<std::string> DisturbedCluster::ScaleFailures() {
  std::vector<std::string> failures;
  for (std::future<std::string>& scaling : scalings_) {
    std::string failure = scaling.get();
    if (!failure.empty()) failures.push_back(std::move(failure));
  }
  scalings_.clear();
  return failures;
}

void DisturbedCluster::KillRouter() {
  for (const int pid : ChildrenOf(up_->pid())) {
    if (ReadWholeFile(absl::StrCat("/proc/", pid, "/comm")) == "router\n") kill(pid, SIGKILL);
  }
}

absl::Status DisturbedCluster::WaitUntilWhole(absl::Duration longest) const {
  const auto whole = [this](const v1::ClusterStatus& status) {
    return static_cast<int>(ReadyPids(status, WorkerKind::kAttention).size()) ==
               options_.attention &&
           static_cast<int>(ReadyPids(status, WorkerKind::kExpert).size()) == experts_ &&
           status.phase() == "steady" && status.experts_covered() == status.model().num_experts() &&
           std::all_of(status.workers().begin(), status.workers().end(),
                       [&status](const v1::WorkerStatus& worker) {
                         return worker.epoch() == status.epoch();
                       });
  };
  const absl::Time deadline = absl::Now() + longest;
  while (true) {
    const absl::StatusOr<v1::ClusterStatus> status = Status();
    if (status.ok() && whole(*status)) return absl::OkStatus();
    if (absl::Now() > deadline) {
      return status.ok() ? absl::DeadlineExceededError(status->DebugString()) : status.status();
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
}

}  // namespace sextant::chaos
