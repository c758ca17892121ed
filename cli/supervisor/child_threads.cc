#include "cli/supervisor/child_threads.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace sextant::cli {

absl::StatusOr<std::unique_ptr<ChildThreads>> ChildThreads::Open(Programs programs) {
  std::unique_ptr<ChildThreads> threads(new ChildThreads(std::move(programs)));
  sigset_t mask;
  sigemptyset(&mask);
  for (const int signal : {SIGINT, SIGTERM}) sigaddset(&mask, signal);
  CHECK_EQ(pthread_sigmask(SIG_BLOCK, &mask, &threads->mask_before_), 0);
  threads->signals_ = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  threads->wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (threads->signals_ < 0 || threads->wake_ < 0) {
    return absl::ResourceExhaustedError("no file descriptor is left for signals and events");
  }
  return threads;
}

ChildThreads::~ChildThreads() {
  for (auto& [pid, child] : children_) child.stop->Request();
  for (auto& [pid, child] : children_) child.thread.join();
  for (const int descriptor : {signals_, wake_}) {
    if (descriptor >= 0) close(descriptor);
  }
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

absl::StatusOr<int> ChildThreads::Start(const ChildSpec& child) {
  const auto program = programs_.find(child.arguments.front());
  if (program == programs_.end()) {
    return absl::NotFoundError(absl::StrCat("there is no program ", child.arguments.front()));
  }
  Child started;
  std::promise<int> id;
  std::future<int> pid = id.get_future();
  started.thread = std::thread([this, id = std::move(id), &stop = *started.stop,
                                &run = program->second, arguments = child.arguments]() mutable {
    const int own = gettid();
    id.set_value(own);
    const int status = run(arguments, stop, [this, own](std::vector<std::string> targets) {
      Add(ChildReady{.pid = own, .targets = std::move(targets)});
    });
    Add(ChildExited{.pid = own, .status = status});
  });
  const int own = pid.get();
  children_.emplace(own, std::move(started));
  return own;
}

void ChildThreads::Signal(int pid, int signal) {
  const auto child = children_.find(pid);
  if (child == children_.end()) return;
  if (signal == SIGKILL) std::_Exit(1);
  child->second.stop->Request();
}

std::vector<ChildEvent> ChildThreads::Wait(absl::Duration longest) {
  std::array<pollfd, 2> waited = {pollfd{.fd = signals_, .events = POLLIN, .revents = 0},
                                  pollfd{.fd = wake_, .events = POLLIN, .revents = 0}};
  const timespec timeout = absl::ToTimespec(std::max(longest, absl::ZeroDuration()));
  std::vector<ChildEvent> events;
  if (ppoll(waited.data(), waited.size(), longest == absl::InfiniteDuration() ? nullptr : &timeout,
            nullptr) <= 0) {
    return events;
  }
  eventfd_t count = 0;
  eventfd_read(wake_, &count);
  {
    const MutexLock lock(mutex_);
    events.swap(events_);
  }
  for (const ChildEvent& event : events) {
    const auto* exited = std::get_if<ChildExited>(&event);
    if (exited == nullptr) continue;
    children_.at(exited->pid).thread.join();
    children_.erase(exited->pid);
  }
  signalfd_siginfo info{};
  while (read(signals_, &info, sizeof(info)) == sizeof(info)) events.emplace_back(StopRequested{});
  return events;
}

void ChildThreads::Add(ChildEvent event) {
  const MutexLock lock(mutex_);
  events_.push_back(std::move(event));
  // Under the lock: once the exit has been seen, this thread touches nothing any more.
  Wake();
}

void ChildThreads::Wake() { eventfd_write(wake_, 1); }

}  // namespace sextant::cli
