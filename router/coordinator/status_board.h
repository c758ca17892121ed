// The newest status of the cluster, for any thread that asks, and for those that watch.
//
// Threads:   Publish is the coordinator's thread's; everything else any thread's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "common/base/mutex.h"
#include "proto/sextant/v1/admin.pb.h"

namespace sextant {

class StatusBoard {
 public:
  using Snapshot = std::shared_ptr<const v1::ClusterStatus>;
  using Watcher = std::function<void(const Snapshot&)>;

  StatusBoard();

  void Publish(v1::ClusterStatus status);
  [[nodiscard]] Snapshot newest() const;

  // Calls `watcher` with the newest status at once, and with every one after it, by the thread that
  // publishes. It must not block or call the board. After Forget has returned it is not called.
  std::uint64_t Watch(Watcher watcher);
  void Forget(std::uint64_t watch);

 private:
  mutable Mutex mutex_;
  Snapshot newest_ ABSL_GUARDED_BY(mutex_);
  std::map<std::uint64_t, Watcher> watchers_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t watches_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sextant
