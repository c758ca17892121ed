#include "expert_worker/dispatch/dispatch_queue.h"

#include <utility>

namespace sextant {

bool DispatchQueue::TryPush(PendingDispatch&& dispatch) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closed_ || waiting_.size() >= capacity_) return false;
    waiting_.push_back(std::move(dispatch));
  }
  ready_.notify_one();
  return true;
}

std::vector<PendingDispatch> DispatchQueue::Pop(std::int64_t max_pairs) {
  std::unique_lock<std::mutex> lock(mutex_);
  ready_.wait(lock, [this] { return closed_ || !waiting_.empty(); });
  std::vector<PendingDispatch> taken;
  if (waiting_.empty()) return taken;
  const std::int32_t layer = waiting_.front().frame.header.layer;
  std::int64_t pairs = 0;
  std::deque<PendingDispatch> others;
  for (PendingDispatch& dispatch : waiting_) {
    const auto more = static_cast<std::int64_t>(dispatch.frame.header.pairs.size());
    const bool fits = taken.empty() || pairs + more <= max_pairs;
    if (dispatch.frame.header.layer == layer && fits) {
      pairs += more;
      taken.push_back(std::move(dispatch));
    } else {
      others.push_back(std::move(dispatch));
    }
  }
  waiting_ = std::move(others);
  return taken;
}

void DispatchQueue::Close() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
  }
  ready_.notify_all();
}

std::size_t DispatchQueue::size() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return waiting_.size();
}

}  // namespace sextant
