// When a role is to stop: a signal to its process (stop_signals.h), or whoever runs several roles
// in one process.
#pragma once

#include <condition_variable>
#include <mutex>

#include "absl/time/time.h"

namespace sextant {

class StopSource {
 public:
  virtual ~StopSource() = default;

  // From now on there is something to drain.
  virtual void Ready() = 0;
  // Returns once the role is to drain and end.
  virtual void Wait() = 0;
  // The same, and whether it is, after `longest` at the latest.
  [[nodiscard]] virtual bool WaitFor(absl::Duration longest) = 0;
  // The role has a reason of its own to stop. May be called from any thread.
  virtual void Request() = 0;
};

// Stops when Request is called. Threads: any.
class StopFlag final : public StopSource {
 public:
  void Ready() override {}
  void Wait() override;
  [[nodiscard]] bool WaitFor(absl::Duration longest) override;
  void Request() override;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool asked_ = false;
};

}  // namespace sextant
