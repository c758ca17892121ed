#include "router/coordinator/status_board.h"

#include <utility>

namespace sextant {

StatusBoard::StatusBoard() : newest_(std::make_shared<v1::ClusterStatus>()) {}

void StatusBoard::Publish(v1::ClusterStatus status) {
  auto snapshot = std::make_shared<const v1::ClusterStatus>(std::move(status));
  const MutexLock lock(mutex_);
  newest_ = std::move(snapshot);
  for (const auto& [watch, watcher] : watchers_) watcher(newest_);
}

StatusBoard::Snapshot StatusBoard::newest() const {
  const MutexLock lock(mutex_);
  return newest_;
}

std::uint64_t StatusBoard::Watch(Watcher watcher) {
  const MutexLock lock(mutex_);
  watcher(newest_);
  watchers_.emplace(++watches_, std::move(watcher));
  return watches_;
}

void StatusBoard::Forget(std::uint64_t watch) {
  const MutexLock lock(mutex_);
  watchers_.erase(watch);
}

}  // namespace sextant
