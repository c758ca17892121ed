#include "common/exchange/ranks/communicator_reaper.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace sextant {

CommunicatorReaper::~CommunicatorReaper() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

absl::StatusOr<std::shared_ptr<Communicator>> CommunicatorReaper::Adopt(
    std::shared_ptr<Communicator> communicator) {
  {
    const MutexLock lock(mutex_);
    if (adopted_ == kMost) {
      return absl::ResourceExhaustedError(
          absl::StrCat(adopted_, " communicators of this rank have not ended"));
    }
    ++adopted_;
  }
  Communicator* const same = communicator.get();
  return std::shared_ptr<Communicator>(
      same, [this, owned = std::move(communicator)](Communicator* /*same*/) mutable {
        Take(std::move(owned));
      });
}

void CommunicatorReaper::Take(std::shared_ptr<Communicator> communicator) {
  {
    const MutexLock lock(mutex_);
    ending_.push_back(std::move(communicator));
  }
  changed_.notify_one();
}

std::shared_ptr<Communicator> CommunicatorReaper::Next() {
  MutexLock lock(mutex_);
  while (ending_.empty()) {
    if (stopping_) {
      CHECK_EQ(adopted_, std::size_t{0});
      return nullptr;
    }
    lock.Wait(changed_);
  }
  std::shared_ptr<Communicator> next = std::move(ending_.front());
  ending_.pop_front();
  return next;
}

void CommunicatorReaper::Run() {
  while (std::shared_ptr<Communicator> communicator = Next()) {
    communicator.reset();
    const MutexLock lock(mutex_);
    --adopted_;
  }
}

}  // namespace sextant
