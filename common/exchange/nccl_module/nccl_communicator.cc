#include "common/exchange/nccl_module/nccl_communicator.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <utility>

namespace sextant {
namespace {

constexpr DeviceStatus kAborted = {DeviceError::kDevice, "the communicator was aborted"};
constexpr DeviceStatus kNoPeer = {DeviceError::kInvalidArgument,
                                  "a message of a negative size, or to or from no rank"};

// For the others to take what is theirs: they all end at the same time.
constexpr std::chrono::seconds kPeace{2};
// To issue an exchange takes tens of microseconds, to connect ranks a second.
constexpr int kYields = 1000;
constexpr std::chrono::microseconds kPause{100};

bool Failed(ncclResult_t result) { return result != ncclSuccess && result != ncclInProgress; }

DeviceStatus StatusOf(std::optional<ncclResult_t> result) {
  if (!result.has_value()) return kAborted;
  if (!Failed(*result)) return {};
  return {DeviceError::kDevice, ncclGetErrorString(*result)};
}

bool AnyBytes(absl::Span<const RankMessage> messages) {
  return std::any_of(messages.begin(), messages.end(),
                     [](const RankMessage& message) { return message.bytes > 0; });
}

}  // namespace

std::unique_ptr<NcclCommunicator> NcclCommunicator::Join(const ncclUniqueId& id, int rank, int size,
                                                         int device, ncclResult_t* result) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  ncclComm_t comm = nullptr;
  *result = ncclCommInitRankConfig(&comm, size, id, rank, &config);
  if (!Failed(*result)) {
    return std::unique_ptr<NcclCommunicator>(new NcclCommunicator(comm, rank, size, device));
  }
  (void)ncclCommAbort(comm);
  return nullptr;
}

NcclCommunicator::~NcclCommunicator() {
  (void)cudaSetDevice(device_);  // as where it is aborted: the thread may be anybody's
  if (!Finish()) Abort();
  std::thread ending;
  {
    const MutexLock lock(mutex_);
    ending.swap(ending_);
  }
  if (ending.joinable()) ending.join();
}

bool NcclCommunicator::Finish() {
  if (State() != ncclSuccess) return false;
  {
    const MutexLock lock(mutex_);
    if (Failed(ncclCommFinalize(comm_))) return false;
  }
  if (WaitUntilReady(std::chrono::steady_clock::now() + kPeace) != ncclSuccess) return false;
  (void)ncclCommDestroy(comm_);
  return true;
}

std::optional<ncclResult_t> NcclCommunicator::State() {
  const MutexLock lock(mutex_);
  if (aborted_) return std::nullopt;
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
  return asked == ncclSuccess ? state : asked;
}

std::optional<ncclResult_t> NcclCommunicator::WaitUntilReady(Deadline deadline) {
  for (int asked = 0;; ++asked) {
    const std::optional<ncclResult_t> state = State();
    if (state != ncclInProgress || std::chrono::steady_clock::now() >= deadline) return state;
    if (asked < kYields) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(kPause);
    }
  }
}

bool NcclCommunicator::AllArePeers(absl::Span<const RankMessage> messages) const {
  return std::all_of(messages.begin(), messages.end(), [this](const RankMessage& message) {
    return message.peer >= 0 && message.peer < size_ && message.bytes >= 0;
  });
}

ncclResult_t NcclCommunicator::Issue(DeviceStream stream, absl::Span<const RankMessage> sends,
                                     absl::Span<const RankMessage> receives) {
  auto* const on = static_cast<cudaStream_t>(stream.handle);
  ncclResult_t result = ncclGroupStart();
  for (const RankMessage& send : sends) {
    if (send.bytes == 0 || Failed(result)) continue;
    result =
        ncclSend(send.data, static_cast<std::size_t>(send.bytes), ncclUint8, send.peer, comm_, on);
  }
  for (const RankMessage& receive : receives) {
    if (receive.bytes == 0 || Failed(result)) continue;
    result = ncclRecv(receive.data, static_cast<std::size_t>(receive.bytes), ncclUint8,
                      receive.peer, comm_, on);
  }
  const ncclResult_t ended = ncclGroupEnd();
  return Failed(result) ? result : ended;
}

DeviceStatus NcclCommunicator::Exchange(DeviceStream stream, absl::Span<const RankMessage> sends,
                                        absl::Span<const RankMessage> receives) {
  // NCCL would take such a mistake for the communicator's end.
  if (!AllArePeers(sends) || !AllArePeers(receives)) return kNoPeer;
  {
    const MutexLock lock(mutex_);
    if (aborted_) return kAborted;
    if (!AnyBytes(sends) && !AnyBytes(receives)) return {};
    const ncclResult_t issued = Issue(stream, sends, receives);
    if (issued != ncclInProgress) return StatusOf(issued);
  }
  return StatusOf(WaitUntilReady(Deadline::max()));
}

DeviceStatus NcclCommunicator::Health() { return StatusOf(State()); }

void NcclCommunicator::Abort() {
  const MutexLock lock(mutex_);
  if (aborted_) return;
  aborted_ = true;
  ending_ = std::thread([comm = comm_, device = device_] {
    // NCCL sets the thread's GPU and puts back what it found, which would wake up GPU 0.
    (void)cudaSetDevice(device);
    (void)ncclCommAbort(comm);
  });
}

}  // namespace sextant
