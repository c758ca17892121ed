// SIGTERM and SIGINT of a process that drains before it ends: the first one asks it to stop, the
// second ends it at once.
//
//   int main(...) {
//     StopSignals signals;   // before any thread is started: threads inherit the mask
//     ... start ...
//     signals.Ready();
//     signals.Wait();        // until the first signal, or Request
//     ... drain, stop ...
//     return 0;
//   }
//
// Before Ready the first signal ends the process too, with status 0: there is nothing to drain.
// The second one ends it with status 1.
//
// Threads:   one of its own takes the signals; every method may be called from any thread.
#pragma once

#include <atomic>
#include <thread>

#include "common/program/stop_source.h"

namespace sextant {

class StopSignals final : public StopSource {
 public:
  StopSignals();
  ~StopSignals() override;
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  void Ready() override { ready_ = true; }
  void Wait() override { stop_.Wait(); }
  [[nodiscard]] bool WaitFor(absl::Duration longest) override { return stop_.WaitFor(longest); }
  // As if the first signal had come.
  void Request() override { stop_.Request(); }

 private:
  void Run();

  int signals_ = -1;  // a signalfd
  int end_ = -1;      // an eventfd, readable once the thread is to end

  std::atomic<bool> ready_ = false;
  StopFlag stop_;

  std::thread thread_;
};

}  // namespace sextant
