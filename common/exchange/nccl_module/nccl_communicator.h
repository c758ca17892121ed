// A communicator of NCCL, in the module only.
//
// NCCL allows one thread at a time to operate a communicator (user guide, "Thread Safety"), and an
// abort frees it. So every call of NCCL is made under one mutex, and none of them waits: the
// communicator is non-blocking, and whoever wants to know when something is done asks again and
// again. Abort sets NCCL's flag, which ends what is under way and what is launched
// later, over a network up to some 2048 operations of its proxy for each peer, and then waits until
// the graphs that hold an exchange are destroyed before it frees what they use (commDestroySync in
// src/init.cc of NCCL 2.28): that is done on a thread of its own, and nobody else calls NCCL any
// more.
#pragma once

#include <nccl.h>

#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "common/base/mutex.h"
#include "common/exchange/ranks/communicator.h"

namespace sextant {

class NcclCommunicator final : public Communicator {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  // Joins ranks on the calling thread's GPU, number `device`. Null where NCCL refuses, and
  // `result` says why; else it is to be waited for.
  [[nodiscard]] static std::unique_ptr<NcclCommunicator> Join(const ncclUniqueId& id, int rank,
                                                              int size, int device,
                                                              ncclResult_t* result);
  // Waits until the other ranks have received what was sent, if all is well, else aborts; then
  // until NCCL has freed everything.
  ~NcclCommunicator() override;
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  // Waits until NCCL is done with what it was asked for last. ncclInProgress: it is not at the
  // deadline; nothing: aborted.
  [[nodiscard]] std::optional<ncclResult_t> WaitUntilReady(Deadline deadline);

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  DeviceStatus Exchange(DeviceStream stream, absl::Span<const RankMessage> sends,
                        absl::Span<const RankMessage> receives) override;
  DeviceStatus Health() override;
  void Abort() override;

 private:
  NcclCommunicator(ncclComm_t comm, int rank, int size, int device)
      : rank_(rank), size_(size), device_(device), comm_(comm) {}

  [[nodiscard]] bool AllArePeers(absl::Span<const RankMessage> messages) const;
  ncclResult_t Issue(DeviceStream stream, absl::Span<const RankMessage> sends,
                     absl::Span<const RankMessage> receives) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What NCCL says of itself; nothing once aborted.
  std::optional<ncclResult_t> State();
  // Gives everything back in peace; false: it has to be aborted.
  bool Finish();

  const int rank_;
  const int size_;
  const int device_;
  Mutex mutex_;
  const ncclComm_t comm_;  // not to be touched once aborted, but by ending_
  bool aborted_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread ending_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sextant
