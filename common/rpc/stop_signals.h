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

#include <condition_variable>
#include <mutex>
#include <thread>

namespace sextant {

class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  void Ready();
  void Wait();
  // As if the first signal had come: the process has a reason of its own to stop.
  void Request();

 private:
  void Run();

  int signals_ = -1;  // a signalfd
  int end_ = -1;      // an eventfd, readable once the thread is to end

  std::mutex mutex_;
  std::condition_variable changed_;
  bool ready_ = false;
  bool asked_ = false;

  std::thread thread_;
};

}  // namespace sextant
