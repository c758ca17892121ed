#include "cli/supervisor/child_processes.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sextant::cli {
namespace {

constexpr std::size_t kMaxLineBytes = 65536;

absl::Status SystemError(const char* what) {
  return absl::ResourceExhaustedError(absl::StrCat(what, ": ", std::strerror(errno)));
}

// Between fork and exec of a program with threads: only what is safe in a signal handler.
[[noreturn]] void BecomeProgram(const std::vector<char*>& arguments, int output, pid_t parent,
                                const sigset_t& mask) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have died before the line above.
  if (getppid() != parent) _exit(127);
  dup2(output, STDOUT_FILENO);
  const int nothing = open("/dev/null", O_RDONLY);
  if (nothing >= 0) dup2(nothing, STDIN_FILENO);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  execv(arguments[0], arguments.data());
  const char* const reason = std::strerror(errno);
  const std::array<const char*, 4> parts = {arguments[0], " cannot be run: ", reason, "\n"};
  for (const char* part : parts) {
    if (write(STDERR_FILENO, part, std::strlen(part)) < 0) break;
  }
  _exit(127);
}

void PassOn(const std::string& line) {
  std::fprintf(stderr, "%s\n", line.c_str());
  std::fflush(stderr);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcesses>> ChildProcesses::Open() {
  std::unique_ptr<ChildProcesses> processes(new ChildProcesses());
  sigset_t mask;
  sigemptyset(&mask);
  for (const int signal : {SIGCHLD, SIGINT, SIGTERM}) sigaddset(&mask, signal);
  if (pthread_sigmask(SIG_BLOCK, &mask, &processes->mask_before_) != 0) {
    return SystemError("signals cannot be blocked");
  }
  processes->signals_ = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  if (processes->signals_ < 0) return SystemError("signals cannot be read");
  processes->wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (processes->wake_ < 0) return SystemError("no eventfd");
  return processes;
}

ChildProcesses::~ChildProcesses() {
  for (const int pid : running_) kill(-pid, SIGKILL);
  for (const int pid : running_) waitpid(pid, nullptr, 0);
  for (const auto& [descriptor, output] : outputs_) close(descriptor);
  if (signals_ >= 0) close(signals_);
  if (wake_ >= 0) close(wake_);
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

absl::StatusOr<int> ChildProcesses::Start(const ChildSpec& child) {
  std::array<int, 2> pipe_ends{};
  if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return SystemError("no pipe");
  std::vector<char*> arguments;
  for (const std::string& argument : child.arguments) {
    arguments.push_back(const_cast<char*>(argument.c_str()));  // execv does not write to them
  }
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) BecomeProgram(arguments, pipe_ends[1], parent, mask_before_);
  close(pipe_ends[1]);
  if (pid < 0) {
    close(pipe_ends[0]);
    return SystemError("no process");
  }
  // Here as well, so that the group is there when Start returns, whoever runs first.
  setpgid(pid, pid);
  outputs_[pipe_ends[0]] = {.pid = pid};
  running_.push_back(pid);
  return pid;
}

void ChildProcesses::Signal(int pid, int signal) {
  // Only what is not yet reaped: the number may belong to somebody else by now.
  if (std::find(running_.begin(), running_.end(), pid) == running_.end()) return;
  // A program that is stopped cannot act on SIGTERM.
  kill(-pid, signal);
  if (signal == SIGTERM) kill(-pid, SIGCONT);
}

std::vector<ChildEvent> ChildProcesses::Wait(absl::Duration longest) {
  std::vector<pollfd> waited = {{.fd = signals_, .events = POLLIN, .revents = 0},
                                {.fd = wake_, .events = POLLIN, .revents = 0}};
  for (const auto& [descriptor, output] : outputs_) {
    waited.push_back({.fd = descriptor, .events = POLLIN, .revents = 0});
  }
  const timespec timeout = absl::ToTimespec(std::max(longest, absl::ZeroDuration()));
  std::vector<ChildEvent> events;
  if (ppoll(waited.data(), waited.size(), longest == absl::InfiniteDuration() ? nullptr : &timeout,
            nullptr) <= 0) {
    return events;
  }
  for (const pollfd& ended : waited) {
    if (ended.fd == signals_ || ended.fd == wake_ || ended.revents == 0) continue;
    const auto found = outputs_.find(ended.fd);
    if (ReadOutput(ended.fd, found->second, events)) continue;
    close(ended.fd);
    outputs_.erase(found);
  }
  if (waited[0].revents != 0) ReadSignals(events);
  std::uint64_t wakes = 0;
  if (waited[1].revents != 0) static_cast<void>(!read(wake_, &wakes, sizeof(wakes)));
  return events;
}

void ChildProcesses::Wake() {
  const std::uint64_t one = 1;
  // It can only fail when there are more wakes than a Wait needs.
  static_cast<void>(!write(wake_, &one, sizeof(one)));
}

bool ChildProcesses::ReadOutput(int descriptor, Output& output, std::vector<ChildEvent>& events) {
  std::array<char, 4096> block;
  const ssize_t count = read(descriptor, block.data(), block.size());
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  for (const char byte : absl::string_view(block.data(), static_cast<std::size_t>(count))) {
    if (byte != '\n' && output.line.size() < kMaxLineBytes) {
      output.line += byte;
      continue;
    }
    std::vector<std::string> words = absl::StrSplit(output.line, ' ', absl::SkipEmpty());
    if (absl::StartsWith(output.line, "ready ") && words.size() >= 2) {
      words.erase(words.begin(), words.begin() + 2);
      events.emplace_back(ChildReady{.pid = output.pid, .targets = std::move(words)});
    } else {
      PassOn(output.line);
    }
    output.line.clear();
  }
  return count > 0;
}

void ChildProcesses::ReadSignals(std::vector<ChildEvent>& events) {
  signalfd_siginfo info{};
  while (read(signals_, &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo == SIGCHLD) {
      ReapChildren(events);
    } else {
      events.emplace_back(StopRequested{});
    }
  }
}

void ChildProcesses::ReapChildren(std::vector<ChildEvent>& events) {
  int status = 0;
  for (std::size_t i = running_.size(); i-- > 0;) {
    const int pid = running_[i];
    if (waitpid(pid, &status, WNOHANG) != pid) continue;
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
    events.emplace_back(ChildExited{
        .pid = pid, .status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status)});
  }
}

}  // namespace sextant::cli
