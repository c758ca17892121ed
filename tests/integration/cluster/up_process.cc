#include "tests/integration/cluster/up_process.h"

#include <grpcpp/client_context.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"

namespace sextant {
namespace {

constexpr absl::Duration kLongestStart = absl::Minutes(1);
constexpr absl::Duration kLongestWait = absl::Seconds(60);

// The state letter and the parent of a process (proc(5)); nothing when there is none.
struct ProcessState {
  char letter = ' ';
  int parent = 0;
};
ProcessState StateOf(int pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string line;
  std::getline(file, line);
  const std::size_t after_name = line.rfind(')');
  ProcessState state;
  if (after_name == std::string::npos) return state;
  std::istringstream rest(line.substr(after_name + 1));
  rest >> state.letter >> state.parent;
  return state;
}

}  // namespace

absl::StatusOr<std::unique_ptr<UpProcess>> UpProcess::Start(const Options& options) {
  std::unique_ptr<UpProcess> up(new UpProcess());
  ASSIGN_OR_RETURN(up->processes_, cli::ChildProcesses::Open());
  const std::string config =
      up->dir_.Write("config.yaml", absl::StrCat("cluster:\n  log_level: warning\n", options.yaml));
  std::vector<std::string> arguments = {SEXTANT_PROGRAM, "up",
                                        "--model",       options.model,
                                        "--attention",   absl::StrCat(options.attention),
                                        "--experts",     absl::StrCat(options.experts),
                                        "--whole",       absl::StrCat(options.whole),
                                        "--listen",      "127.0.0.1:0",
                                        "--config",      config,
                                        "--runtime-dir", up->dir_.File("run")};
  if (options.in_process) arguments.emplace_back("--in-process");
  ASSIGN_OR_RETURN(up->pid_,
                   up->processes_->Start({.name = "up", .arguments = std::move(arguments)}));
  const absl::Time deadline = absl::Now() + kLongestStart;
  while (up->target_.empty()) {
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError("the cluster does not serve after a minute");
    }
    for (const cli::ChildEvent& event : up->processes_->Wait(absl::Milliseconds(100))) {
      if (const auto* ready = std::get_if<cli::ChildReady>(&event)) {
        up->target_ = ready->targets.at(0);
      } else if (std::holds_alternative<cli::ChildExited>(event)) {
        return absl::AbortedError("sextant up ended before the cluster served");
      }
    }
  }
  up->admin_ = v1::Admin::NewStub(OpenChannel(up->target_));
  return up;
}

absl::StatusOr<v1::ClusterStatus> UpProcess::Status() const {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
  v1::ClusterStatus status;
  const grpc::Status called = admin_->Status(&context, v1::StatusRequest(), &status);
  if (!called.ok()) return FromGrpc(called);
  return status;
}

absl::StatusOr<v1::ClusterStatus> UpProcess::WaitUntil(
    const std::function<bool(const v1::ClusterStatus&)>& wanted) const {
  const absl::Time deadline = absl::Now() + kLongestWait;
  absl::StatusOr<v1::ClusterStatus> status;
  while (true) {
    status = Status();
    if (status.ok() && wanted(*status)) return status;
    if (absl::Now() > deadline) break;
    absl::SleepFor(absl::Milliseconds(20));
  }
  if (!status.ok()) return status;
  return absl::DeadlineExceededError(status->DebugString());
}

void UpProcess::Signal(int signal) { processes_->Signal(pid_, signal); }

absl::StatusOr<int> UpProcess::WaitForExit(absl::Duration longest) {
  const absl::Time deadline = absl::Now() + longest;
  while (absl::Now() < deadline) {
    for (const cli::ChildEvent& event : processes_->Wait(absl::Milliseconds(50))) {
      if (const auto* exited = std::get_if<cli::ChildExited>(&event)) return exited->status;
    }
  }
  return absl::DeadlineExceededError("sextant up does not end");
}

std::vector<int> ChildrenOf(int pid) {
  std::vector<int> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    int candidate = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &candidate)) continue;
    if (StateOf(candidate).parent == pid) children.push_back(candidate);
  }
  return children;
}

bool IsGone(int pid) {
  const char letter = StateOf(pid).letter;
  return letter == ' ' || letter == 'Z' || letter == 'X';
}

}  // namespace sextant
