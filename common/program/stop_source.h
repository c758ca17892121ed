// When a role is to stop: a signal to its process (stop_signals.h), or whoever runs several roles
// in one process.
#pragma once

#include <condition_variable>
#include <mutex>

namespace sextant {

class StopSource {
 public:
  virtual ~StopSource() = default;

  // From now on there is something to drain.
  virtual void Ready() = 0;
  // Returns once the role is to drain and end.
  virtual void Wait() = 0;
  // The role has a reason of its own to stop. May be called from any thread.
  virtual void Request() = 0;
};

// Stops when Request is called. Threads: any.
class StopFlag final : public StopSource {
 public:
  void Ready() override {}
  void Wait() override;
  void Request() override;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool asked_ = false;
};

}  // namespace sextant
