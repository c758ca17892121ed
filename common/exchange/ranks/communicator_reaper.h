// Where the communicators of a rank end: on a thread of its own, for the end of one waits for the
// other ranks (decision 0009), and neither an engine nor a control plane has the time.
//
// Bounds:    kMost communicators that have been adopted and have not ended.
// Threads:   any.
// Ownership: outlives what Adopt returned. Its destructor waits for the last end.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/exchange/ranks/communicator.h"

namespace sextant {

class CommunicatorReaper {
 public:
  // A rank uses one, two while it switches; more are on their way out.
  static constexpr std::size_t kMost = 16;

  CommunicatorReaper() : thread_([this] { Run(); }) {}
  ~CommunicatorReaper();
  CommunicatorReaper(const CommunicatorReaper&) = delete;
  CommunicatorReaper& operator=(const CommunicatorReaper&) = delete;

  // The same communicator, which ends here when the last copy of the result is gone; nobody else
  // keeps one of the argument. Errors: ResourceExhausted where kMost have not ended.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<Communicator>> Adopt(
      std::shared_ptr<Communicator> communicator);

 private:
  void Take(std::shared_ptr<Communicator> communicator);
  // Waits for the next one to end; null: none follows.
  [[nodiscard]] std::shared_ptr<Communicator> Next();
  void Run();  // the thread

  Mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Communicator>> ending_ ABSL_GUARDED_BY(mutex_);
  std::size_t adopted_ ABSL_GUARDED_BY(mutex_) = 0;  // and not ended
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace sextant
