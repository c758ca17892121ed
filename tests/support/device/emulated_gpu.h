// A GPU of the emulator, for tests of what uses one. It runs the kernels of LinkedCudaKernels().
//
// Strict where CUDA is lenient. Nothing put on a stream happens before somebody waits for it
// (kernels/cuda/emulation/stream_queue.h); only the default stream does things at once. Fresh
// memory, the device's and pinned, is 0xff in every byte: NaN as f32 and bf16, -1 as an integer.
// Allocations end where they were asked to end, so that sanitizers see what lies beyond.
// Capture:   while a thread captures a stream, it may not wait, allocate, or copy from or to memory
//            that is not pinned: that is refused, as CUDA does, and spoils its capture.
// Threads:   any, as GpuDriver; of the default stream one at a time.
// Errors:    kEmulation at the wait where a kernel has a fault or a copy comes too late for its
//            memory; all later calls fail with it. What no caller may do aborts: freeing what was
//            not allocated or anything while the thread captures, destroying a stream whose
//            work nobody waited for, leaving anything undestroyed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "common/base/mutex.h"
#include "common/device/gpu_driver.h"
#include "kernels/cuda/emulation/stream_queue.h"

namespace sextant {

class EmulatedGpu final : public GpuDriver {
 public:
  // When what is put on a stream happens: when somebody waits for it, as said above, or at once,
  // for tests of GPUs that wait for each other without a host that waits.
  enum class When : std::uint8_t { kWaitedFor, kAtOnce };

  explicit EmulatedGpu(std::int64_t total_bytes = std::int64_t{1} << 30,
                       When when = When::kWaitedFor);
  ~EmulatedGpu() override;
  EmulatedGpu(const EmulatedGpu&) = delete;
  EmulatedGpu& operator=(const EmulatedGpu&) = delete;

  // Of the device's memory.
  [[nodiscard]] std::int64_t allocated_bytes() const;
  // Whether all these bytes lie in one allocation there.
  [[nodiscard]] bool Holds(const void* begin, std::int64_t bytes) const;
  [[nodiscard]] bool IsCapturing(DeviceStream stream) { return QueueOf(stream).capturing(); }
  // Puts something on a stream that the driver does not know, such as what a network does
  // (tests/support/ranks).
  DeviceStatus PutOther(DeviceStream stream, std::function<DeviceStatus()> run) {
    return Put(stream, {std::move(run), nullptr});
  }

  DeviceStatus Describe(GpuInfo* info) override;
  DeviceStatus Allocate(std::int64_t bytes, void** memory) override;
  void Free(void* memory) override;
  DeviceStatus AllocatePinned(std::int64_t bytes, void** memory) override;
  void FreePinned(void* memory) override;
  DeviceStatus CreateStream(DeviceStream* stream) override;
  void DestroyStream(DeviceStream stream) override;
  DeviceStatus Synchronize(DeviceStream stream) override;
  DeviceStatus CopyIn(DeviceStream stream, void* to, const void* from, std::int64_t bytes) override;
  DeviceStatus CopyOut(DeviceStream stream, void* to, const void* from,
                       std::int64_t bytes) override;
  DeviceStatus CopyWithin(DeviceStream stream, void* to, const void* from,
                          std::int64_t bytes) override;
  DeviceStatus FillZeros(DeviceStream stream, void* to, std::int64_t bytes) override;
  DeviceStatus CreateEvent(DeviceEvent* event) override;
  void DestroyEvent(DeviceEvent event) override;
  DeviceStatus Record(DeviceStream stream, DeviceEvent event) override;
  DeviceStatus WaitFor(DeviceEvent event) override;
  DeviceStatus SecondsBetween(DeviceEvent begin, DeviceEvent end, double* seconds) override;
  DeviceStatus BeginCapture(DeviceStream stream) override;
  DeviceStatus EndCapture(DeviceStream stream, DeviceGraph* graph) override;
  DeviceStatus Launch(DeviceStream stream, DeviceGraph graph) override;
  void DestroyGraph(DeviceGraph graph) override;

 private:
  class Memory {
   public:
    void* Allocate(std::int64_t bytes);
    void Free(void* memory);
    // Whether all these bytes lie in one allocation.
    [[nodiscard]] bool Holds(const void* begin, std::int64_t bytes) const;
    [[nodiscard]] std::int64_t bytes() const { return bytes_; }
    [[nodiscard]] bool empty() const { return allocations_.empty(); }

   private:
    std::map<const std::byte*, std::int64_t> allocations_;  // bytes of each
    std::int64_t bytes_ = 0;
  };

  [[nodiscard]] emulation::StreamQueue& QueueOf(DeviceStream stream);
  [[nodiscard]] std::shared_ptr<emulation::StreamMoment> MomentOf(DeviceEvent event) const;
  [[nodiscard]] const emulation::CapturedWork& WorkOf(DeviceGraph graph) const;
  [[nodiscard]] bool HoldsPinned(const void* begin, std::int64_t bytes) const;
  // Whether this thread is capturing a stream.
  [[nodiscard]] bool IsCapturing() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  DeviceStatus RefuseWhileCapturing();
  DeviceStatus Put(DeviceStream stream, emulation::QueuedWork work);

  const std::int64_t total_bytes_;
  const When when_;
  emulation::FirstFault fault_;
  emulation::StreamQueue default_{fault_};

  // Not held while work runs.
  mutable Mutex mutex_;
  Memory memory_ ABSL_GUARDED_BY(mutex_);
  Memory pinned_ ABSL_GUARDED_BY(mutex_);
  std::map<void*, std::unique_ptr<emulation::StreamQueue>> streams_ ABSL_GUARDED_BY(mutex_);
  std::map<emulation::StreamQueue*, std::thread::id> captures_ ABSL_GUARDED_BY(mutex_);
  std::map<void*, std::shared_ptr<emulation::StreamMoment>> events_ ABSL_GUARDED_BY(mutex_);
  std::map<void*, std::unique_ptr<emulation::CapturedWork>> graphs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sextant
