#include "common/program/stop_signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>

#include "common/base/check.h"

namespace sextant {

StopSignals::StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, nullptr), 0);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC);
  end_ = eventfd(0, EFD_CLOEXEC);
  CHECK_GE(signals_, 0);
  CHECK_GE(end_, 0);
  thread_ = std::thread([this] { Run(); });
}

StopSignals::~StopSignals() {
  const std::uint64_t one = 1;
  CHECK_EQ(write(end_, &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
  thread_.join();
  close(signals_);
  close(end_);
}

void StopSignals::Run() {
  bool first = true;
  for (;;) {
    pollfd ready[2] = {{.fd = signals_, .events = POLLIN, .revents = 0},
                       {.fd = end_, .events = POLLIN, .revents = 0}};
    if (poll(ready, 2, -1) < 0) continue;  // interrupted
    if (ready[1].revents != 0) return;
    signalfd_siginfo info{};
    if (read(signals_, &info, sizeof(info)) != static_cast<ssize_t>(sizeof(info))) continue;
    if (!first) std::_Exit(1);
    first = false;
    if (!ready_) std::_Exit(0);
    stop_.Request();
  }
}

}  // namespace sextant
