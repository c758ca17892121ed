#include "tests/chaos/disturbed_cluster.h"

#include <grpcpp/client_context.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"

namespace sextant::chaos {
namespace {

constexpr absl::Duration kLongestStart = absl::Minutes(1);
constexpr absl::Duration kPoll = absl::Milliseconds(20);

v1::Role RoleOf(WorkerKind worker) {
  return worker == WorkerKind::kAttention ? v1::ROLE_ATTENTION : v1::ROLE_EXPERT;
}

cli::ChildKind KindOf(WorkerKind worker) {
  return worker == WorkerKind::kAttention ? cli::ChildKind::kAttentionWorker
                                          : cli::ChildKind::kExpertWorker;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DisturbedCluster>> DisturbedCluster::Start(const Options& options) {
  std::unique_ptr<DisturbedCluster> cluster(new DisturbedCluster(options));
  ASSIGN_OR_RETURN(cluster->processes_, cli::ChildProcesses::Open());
  RETURN_IF_ERROR(cluster->StartProcess(cluster->router_));
  const absl::Time deadline = absl::Now() + kLongestStart;
  while (cluster->target_.empty()) {
    if (absl::Now() > deadline || !cluster->crashes_.empty()) {
      return absl::AbortedError("the router does not start");
    }
    cluster->HandleEvents(kPoll);
  }
  cluster->admin_ = v1::Admin::NewStub(OpenChannel(cluster->target_));
  for (int i = 0; i < options.attention; ++i) {
    cluster->workers_.push_back(
        {.name = absl::StrCat("attention_worker-", i), .kind = cli::ChildKind::kAttentionWorker});
    RETURN_IF_ERROR(cluster->StartProcess(cluster->workers_.back()));
  }
  cluster->ScaleExperts(options.experts);
  RETURN_IF_ERROR(cluster->WaitUntilWhole(kLongestStart));
  return cluster;
}

absl::Status DisturbedCluster::StartProcess(Process& process) {
  const std::string socket = absl::StrCat("unix:", dir_.File("router.sock"));
  std::vector<std::string> arguments;
  if (process.kind == cli::ChildKind::kRouter) {
    arguments = {absl::StrCat(options_.programs, "/router"), "--listen",
                 target_.empty() ? "127.0.0.1:0" : target_, "--listen", socket};
  } else {
    const bool attention = process.kind == cli::ChildKind::kAttentionWorker;
    arguments = {
        absl::StrCat(options_.programs, attention ? "/attention_worker" : "/expert_worker"),
        "--router",
        socket,
        "--runtime-dir",
        dir_.path(),
        "--threads",
        "1"};
  }
  for (const std::string& more :
       {std::string("--model"), options_.model, std::string("--admin-port"), std::string("-1"),
        std::string("--log-level"), options_.log_level}) {
    arguments.push_back(more);
  }
  ASSIGN_OR_RETURN(process.pid, processes_->Start({.name = process.name,
                                                   .kind = process.kind,
                                                   .arguments = std::move(arguments)}));
  process.ready = false;
  return absl::OkStatus();
}

void DisturbedCluster::HandleEvents(absl::Duration longest) {
  for (const cli::ChildEvent& event : processes_->Wait(longest)) {
    std::vector<Process*> all = {&router_};
    for (Process& process : workers_) all.push_back(&process);
    for (Process* process : all) {
      const auto* ready = std::get_if<cli::ChildReady>(&event);
      if (ready != nullptr && ready->pid == process->pid) {
        process->ready = true;
        if (process == &router_ && target_.empty()) target_ = ready->targets.at(0);
      }
      const auto* exited = std::get_if<cli::ChildExited>(&event);
      if (exited == nullptr || exited->pid != process->pid) continue;
      const bool drained = !process->wanted && exited->status == 0;
      if (killed_.erase(exited->pid) == 0 && !drained) {
        crashes_.push_back(absl::StrCat(process->name, " ended with ", exited->status));
      }
      process->pid = 0;
      process->ready = false;
    }
  }
  for (Process& process : workers_) {
    if (process.pid != 0 || !process.wanted) continue;
    if (const absl::Status status = StartProcess(process); !status.ok()) {
      crashes_.push_back(status.ToString());
    }
  }
}

void DisturbedCluster::Serve(absl::Duration how_long) {
  const absl::Time end = absl::Now() + how_long;
  do {
    HandleEvents(std::clamp(end - absl::Now(), absl::ZeroDuration(), kPoll));
  } while (absl::Now() < end);
}

DisturbedCluster::Process* DisturbedCluster::Find(WorkerKind worker, int slot) {
  for (Process& process : workers_) {
    if (process.kind == KindOf(worker) && slot-- == 0) return &process;
  }
  return nullptr;
}

int DisturbedCluster::CountWanted(WorkerKind worker) const {
  return static_cast<int>(
      std::count_if(workers_.begin(), workers_.end(), [worker](const Process& process) {
        return process.kind == KindOf(worker) && process.wanted;
      }));
}

void DisturbedCluster::Signal(WorkerKind worker, int slot, int signal) {
  Process* process = Find(worker, slot);
  if (process == nullptr || process->pid == 0) return;
  if (signal == SIGKILL) killed_.insert(process->pid);
  processes_->Signal(process->pid, signal);
}

void DisturbedCluster::ScaleExperts(int count) {
  for (int slot = 0;; ++slot) {
    Process* process = Find(WorkerKind::kExpert, slot);
    if (process == nullptr && slot >= count) return;
    if (process == nullptr) {
      process = &workers_.emplace_back(Process{.name = absl::StrCat("expert_worker-", slot)});
    }
    const bool wanted = slot < count;
    if (process->wanted && !wanted && process->pid != 0) {
      processes_->Signal(process->pid, SIGTERM);
    }
    process->wanted = wanted;
    // One that is still being drained is replaced when it has gone.
    if (wanted && process->pid == 0) {
      if (const absl::Status status = StartProcess(*process); !status.ok()) {
        crashes_.push_back(status.ToString());
      }
    }
  }
}

void DisturbedCluster::RestartRouter() {
  killed_.insert(router_.pid);
  processes_->Signal(router_.pid, SIGKILL);
  while (router_.pid != 0) HandleEvents(kPoll);
  if (const absl::Status status = StartProcess(router_); !status.ok()) {
    crashes_.push_back(status.ToString());
  }
}

absl::StatusOr<v1::ClusterStatus> DisturbedCluster::Status() const {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
  v1::ClusterStatus status;
  const grpc::Status called = admin_->Status(&context, v1::StatusRequest(), &status);
  if (!called.ok()) return FromGrpc(called);
  return status;
}

absl::StatusOr<v1::ClusterStatus> DisturbedCluster::WaitUntil(
    absl::FunctionRef<bool(const v1::ClusterStatus&)> wanted, absl::Duration longest) {
  const absl::Time deadline = absl::Now() + longest;
  while (true) {
    absl::StatusOr<v1::ClusterStatus> status = Status();
    if (status.ok() && wanted(*status)) return status;
    if (absl::Now() > deadline) {
      if (!status.ok()) return status;
      return absl::DeadlineExceededError(status->DebugString());
    }
    Serve(kPoll);
  }
}

absl::Status DisturbedCluster::WaitUntilWhole(absl::Duration longest) {
  const auto whole = [this](const v1::ClusterStatus& status) {
    for (const WorkerKind kind : {WorkerKind::kAttention, WorkerKind::kExpert}) {
      const auto ready = std::count_if(
          status.workers().begin(), status.workers().end(), [kind](const v1::WorkerStatus& worker) {
            return worker.role() == RoleOf(kind) && worker.state() == "ready";
          });
      if (ready != CountWanted(kind)) return false;
    }
    return status.phase() == "steady" && status.experts_covered() == status.model().num_experts() &&
           std::all_of(status.workers().begin(), status.workers().end(),
                       [&status](const v1::WorkerStatus& worker) {
                         return worker.epoch() == status.epoch();
                       });
  };
  return WaitUntil(whole, longest).status();
}

}  // namespace sextant::chaos
