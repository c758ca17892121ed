#include "tests/support/device/emulated_gpu.h"

#include <chrono>
#include <cstring>
#include <iterator>
#include <new>
#include <string_view>
#include <utility>

#include "common/base/check.h"

namespace sextant {
namespace {

constexpr std::align_val_t kAlignment{256};
constexpr int kFreshByte = 0xff;
constexpr std::string_view kName = "emulated";

constexpr DeviceStatus kNoSize = {DeviceError::kInvalidArgument, "an allocation of no bytes"};
constexpr DeviceStatus kNotOurs = {DeviceError::kInvalidArgument,
                                   "a copy reaches out of the GPU's memory"};
constexpr DeviceStatus kFreed = {DeviceError::kEmulation,
                                 "memory was freed before the stream came to a copy of it"};

// An array of nothing may be null, which memcpy forbids.
void CopyBytes(void* to, const void* from, std::int64_t bytes) {
  if (bytes > 0) std::memcpy(to, from, static_cast<std::size_t>(bytes));
}

}  // namespace

void* EmulatedGpu::Memory::Allocate(std::int64_t bytes) {
  void* memory = ::operator new(static_cast<std::size_t>(bytes), kAlignment);
  std::memset(memory, kFreshByte, static_cast<std::size_t>(bytes));
  allocations_.emplace(static_cast<const std::byte*>(memory), bytes);
  bytes_ += bytes;
  return memory;
}

void EmulatedGpu::Memory::Free(void* memory) {
  const auto found = allocations_.find(static_cast<const std::byte*>(memory));
  CHECK(found != allocations_.end());
  std::memset(memory, kFreshByte, static_cast<std::size_t>(found->second));
  bytes_ -= found->second;
  allocations_.erase(found);
  ::operator delete(memory, kAlignment);
}

bool EmulatedGpu::Memory::Holds(const void* begin, std::int64_t bytes) const {
  const auto* first = static_cast<const std::byte*>(begin);
  const auto after = allocations_.upper_bound(first);
  if (after == allocations_.begin() || bytes < 0) return false;
  const auto& [memory, size] = *std::prev(after);
  const std::int64_t offset = first - memory;
  return offset <= size && bytes <= size - offset;
}

EmulatedGpu::EmulatedGpu(std::int64_t total_bytes, When when)
    : total_bytes_(total_bytes), when_(when) {}

EmulatedGpu::~EmulatedGpu() {
  const MutexLock lock(mutex_);
  CHECK(memory_.empty());
  CHECK(pinned_.empty());
  CHECK(streams_.empty());
  CHECK(events_.empty());
  CHECK(graphs_.empty());
}

emulation::StreamQueue& EmulatedGpu::QueueOf(DeviceStream stream) {
  if (stream.handle == nullptr) return default_;
  const MutexLock lock(mutex_);
  const auto found = streams_.find(stream.handle);
  CHECK(found != streams_.end());
  return *found->second;
}

std::shared_ptr<emulation::StreamMoment> EmulatedGpu::MomentOf(DeviceEvent event) const {
  const MutexLock lock(mutex_);
  const auto found = events_.find(event.handle);
  CHECK(found != events_.end());
  return found->second;
}

const emulation::CapturedWork& EmulatedGpu::WorkOf(DeviceGraph graph) const {
  const MutexLock lock(mutex_);
  const auto found = graphs_.find(graph.handle);
  CHECK(found != graphs_.end());
  return *found->second;
}

std::int64_t EmulatedGpu::allocated_bytes() const {
  const MutexLock lock(mutex_);
  return memory_.bytes();
}

bool EmulatedGpu::Holds(const void* begin, std::int64_t bytes) const {
  const MutexLock lock(mutex_);
  return memory_.Holds(begin, bytes);
}

bool EmulatedGpu::HoldsPinned(const void* begin, std::int64_t bytes) const {
  const MutexLock lock(mutex_);
  return pinned_.Holds(begin, bytes);
}

bool EmulatedGpu::IsCapturing() const {
  for (const auto& [queue, thread] : captures_) {
    if (thread == std::this_thread::get_id()) return true;
  }
  return false;
}

DeviceStatus EmulatedGpu::RefuseWhileCapturing() {
  if (fault_.any()) return fault_.status();
  const MutexLock lock(mutex_);
  if (!IsCapturing()) return {};
  for (const auto& [queue, thread] : captures_) {
    if (thread == std::this_thread::get_id()) queue->SpoilCapture();
  }
  return {DeviceError::kDevice, "operation not permitted when stream is capturing"};
}

DeviceStatus EmulatedGpu::Put(DeviceStream stream, emulation::QueuedWork work) {
  emulation::StreamQueue& queue = QueueOf(stream);
  RETURN_IF_DEVICE_FAILED(queue.Add(std::move(work)));
  const bool at_once = &queue == &default_ || when_ == When::kAtOnce;
  return at_once && !queue.capturing() ? queue.Run() : DeviceStatus{};
}

DeviceStatus EmulatedGpu::Describe(GpuInfo* info) {
  *info = {.major = 8,
           .minor = 0,
           .multiprocessors = 4,
           .total_bytes = total_bytes_,
           .free_bytes = total_bytes_ - allocated_bytes(),
           .shared_bytes_per_multiprocessor = 164 * 1024};
  kName.copy(info->name, sizeof(info->name) - 1);
  return {};
}

DeviceStatus EmulatedGpu::Allocate(std::int64_t bytes, void** memory) {
  RETURN_IF_DEVICE_FAILED(RefuseWhileCapturing());
  if (bytes < 1) return kNoSize;
  const MutexLock lock(mutex_);
  if (bytes > total_bytes_ - memory_.bytes()) return {DeviceError::kOutOfMemory, "out of memory"};
  *memory = memory_.Allocate(bytes);
  return {};
}

void EmulatedGpu::Free(void* memory) {
  const MutexLock lock(mutex_);
  CHECK(!IsCapturing());
  memory_.Free(memory);
}

DeviceStatus EmulatedGpu::AllocatePinned(std::int64_t bytes, void** memory) {
  RETURN_IF_DEVICE_FAILED(RefuseWhileCapturing());
  if (bytes < 1) return kNoSize;
  const MutexLock lock(mutex_);
  *memory = pinned_.Allocate(bytes);
  return {};
}

void EmulatedGpu::FreePinned(void* memory) {
  const MutexLock lock(mutex_);
  CHECK(!IsCapturing());
  pinned_.Free(memory);
}

DeviceStatus EmulatedGpu::CreateStream(DeviceStream* stream) {
  auto queue = std::make_unique<emulation::StreamQueue>(fault_);
  stream->handle = queue.get();
  const MutexLock lock(mutex_);
  streams_.emplace(stream->handle, std::move(queue));
  return {};
}

void EmulatedGpu::DestroyStream(DeviceStream stream) {
  CHECK(stream.handle != nullptr);
  emulation::StreamQueue& queue = QueueOf(stream);
  CHECK(queue.empty() || fault_.any());
  const MutexLock lock(mutex_);
  for (const auto& [handle, moment] : events_) {
    if (moment->queue != &queue) continue;
    moment->queue = &default_;
    moment->place = 0;
  }
  captures_.erase(&queue);
  streams_.erase(stream.handle);
}

DeviceStatus EmulatedGpu::Synchronize(DeviceStream stream) {
  RETURN_IF_DEVICE_FAILED(RefuseWhileCapturing());
  return QueueOf(stream).Run();
}

DeviceStatus EmulatedGpu::CopyIn(DeviceStream stream, void* to, const void* from,
                                 std::int64_t bytes) {
  const bool pinned = HoldsPinned(from, bytes);
  if (!pinned) RETURN_IF_DEVICE_FAILED(RefuseWhileCapturing());
  if (!Holds(to, bytes)) return kNotOurs;
  const auto copy = [=, this]() -> DeviceStatus {
    if (!Holds(to, bytes) || (pinned && !HoldsPinned(from, bytes))) return kFreed;
    CopyBytes(to, from, bytes);
    return {};
  };
  return Put(stream, {copy, nullptr});
}

DeviceStatus EmulatedGpu::CopyOut(DeviceStream stream, void* to, const void* from,
                                  std::int64_t bytes) {
  const bool pinned = HoldsPinned(to, bytes);
  if (!pinned) RETURN_IF_DEVICE_FAILED(RefuseWhileCapturing());
  if (!Holds(from, bytes)) return kNotOurs;
  const auto copy = [=, this]() -> DeviceStatus {
    if (!Holds(from, bytes) || (pinned && !HoldsPinned(to, bytes))) return kFreed;
    CopyBytes(to, from, bytes);
    return {};
  };
  return Put(stream, {copy, nullptr});
}

DeviceStatus EmulatedGpu::CopyWithin(DeviceStream stream, void* to, const void* from,
                                     std::int64_t bytes) {
  if (!Holds(to, bytes) || !Holds(from, bytes)) return kNotOurs;
  const auto copy = [=, this]() -> DeviceStatus {
    if (!Holds(to, bytes) || !Holds(from, bytes)) return kFreed;
    CopyBytes(to, from, bytes);
    return {};
  };
  return Put(stream, {copy, nullptr});
}

DeviceStatus EmulatedGpu::FillZeros(DeviceStream stream, void* to, std::int64_t bytes) {
  if (!Holds(to, bytes)) return kNotOurs;
  const auto fill = [=, this]() -> DeviceStatus {
    if (!Holds(to, bytes)) return kFreed;
    std::memset(to, 0, static_cast<std::size_t>(bytes));
    return {};
  };
  return Put(stream, {fill, nullptr});
}

DeviceStatus EmulatedGpu::CreateEvent(DeviceEvent* event) {
  auto moment = std::make_shared<emulation::StreamMoment>();
  event->handle = moment.get();
  const MutexLock lock(mutex_);
  events_.emplace(event->handle, std::move(moment));
  return {};
}

void EmulatedGpu::DestroyEvent(DeviceEvent event) {
  const MutexLock lock(mutex_);
  CHECK_EQ(events_.erase(event.handle), 1U);
}

DeviceStatus EmulatedGpu::Record(DeviceStream stream, DeviceEvent event) {
  return Put(stream, {nullptr, MomentOf(event)});
}

// One that was never recorded has come, as in CUDA.
DeviceStatus EmulatedGpu::WaitFor(DeviceEvent event) {
  RETURN_IF_DEVICE_FAILED(RefuseWhileCapturing());
  const auto moment = MomentOf(event);
  emulation::StreamQueue* const queue = moment->queue;
  return queue == nullptr ? DeviceStatus{} : queue->RunUntil(*moment);
}

DeviceStatus EmulatedGpu::SecondsBetween(DeviceEvent begin, DeviceEvent end, double* seconds) {
  if (fault_.any()) return fault_.status();
  for (const DeviceEvent event : {begin, end}) {
    const auto moment = MomentOf(event);
    const emulation::StreamQueue* const queue = moment->queue;
    if (queue == nullptr || !queue->HasCome(*moment)) {
      return {DeviceError::kDevice, "device not ready"};
    }
  }
  *seconds = std::chrono::duration<double>(MomentOf(end)->came - MomentOf(begin)->came).count();
  return {};
}

DeviceStatus EmulatedGpu::BeginCapture(DeviceStream stream) {
  RETURN_IF_DEVICE_FAILED(RefuseWhileCapturing());
  emulation::StreamQueue& queue = QueueOf(stream);
  if (&queue == &default_) {
    return {DeviceError::kDevice, "the default stream cannot be captured"};
  }
  queue.BeginCapture();
  const MutexLock lock(mutex_);
  captures_.emplace(&queue, std::this_thread::get_id());
  return {};
}

DeviceStatus EmulatedGpu::EndCapture(DeviceStream stream, DeviceGraph* graph) {
  emulation::StreamQueue& queue = QueueOf(stream);
  if (!queue.capturing()) return {DeviceError::kDevice, "the stream does not capture"};
  auto captured = std::make_unique<emulation::CapturedWork>();
  const MutexLock lock(mutex_);
  captures_.erase(&queue);
  RETURN_IF_DEVICE_FAILED(queue.EndCapture(captured.get()));
  graph->handle = captured.get();
  graphs_.emplace(graph->handle, std::move(captured));
  return {};
}

DeviceStatus EmulatedGpu::Launch(DeviceStream stream, DeviceGraph graph) {
  RETURN_IF_DEVICE_FAILED(RefuseWhileCapturing());
  for (const emulation::QueuedWork& work : WorkOf(graph)) {
    RETURN_IF_DEVICE_FAILED(Put(stream, work));
  }
  return {};
}

void EmulatedGpu::DestroyGraph(DeviceGraph graph) {
  const MutexLock lock(mutex_);
  CHECK_EQ(graphs_.erase(graph.handle), 1U);
}

}  // namespace sextant
