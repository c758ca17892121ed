// A GPU as the engine uses it: memory, copies, streams, events and captured graphs. CUDA's
// implementation comes out of the module (kernels/cuda_module), the emulator's out of tests.
//
// Sizes:     bytes. Memory is aligned to 256 bytes.
// Streams:   what is put on one happens in order and later: memory that is named must stay as it is
//            until the stream has passed it. Copies to and from memory of AllocatePinned are
//            asynchronous.
// Capture:   between BeginCapture and EndCapture nothing put on the stream happens; it becomes a
//            graph, whose launches do it with the same arguments as often as wanted.
// Threads:   any, several at once: each has streams and events of its own, or takes turns. A
//            capture concerns the thread that has begun it, and ends there. All calls are of one
//            GPU, as are the kernels that a thread launches after it: a thread calls the driver
//            before its first launch.
// Errors:    kOutOfMemory when memory is short; kDevice for what CUDA refuses, or for what went
//            wrong earlier on a stream. The message is CUDA's.
#pragma once

#include <cstdint>

#include "common/device/device_stream.h"

namespace sextant {

struct GpuInfo {
  char name[128] = {};
  int major = 0;  // compute capability
  int minor = 0;
  int multiprocessors = 0;
  std::int64_t total_bytes = 0;
  std::int64_t free_bytes = 0;
  std::int64_t shared_bytes_per_multiprocessor = 0;
};

// A moment of a stream: a cudaEvent_t.
struct DeviceEvent {
  void* handle = nullptr;
};

// What was captured: a cudaGraphExec_t.
struct DeviceGraph {
  void* handle = nullptr;
};

class GpuDriver {
 public:
  virtual ~GpuDriver() = default;

  virtual DeviceStatus Describe(GpuInfo* info) = 0;

  virtual DeviceStatus Allocate(std::int64_t bytes, void** memory) = 0;
  virtual void Free(void* memory) = 0;
  // Memory of the host that the GPU reads and writes by itself.
  virtual DeviceStatus AllocatePinned(std::int64_t bytes, void** memory) = 0;
  virtual void FreePinned(void* memory) = 0;

  virtual DeviceStatus CreateStream(DeviceStream* stream) = 0;
  virtual void DestroyStream(DeviceStream stream) = 0;
  // Waits until everything on the stream has happened.
  virtual DeviceStatus Synchronize(DeviceStream stream) = 0;

  virtual DeviceStatus CopyIn(DeviceStream stream, void* to, const void* from,
                              std::int64_t bytes) = 0;
  virtual DeviceStatus CopyOut(DeviceStream stream, void* to, const void* from,
                               std::int64_t bytes) = 0;
  virtual DeviceStatus CopyWithin(DeviceStream stream, void* to, const void* from,
                                  std::int64_t bytes) = 0;
  virtual DeviceStatus FillZeros(DeviceStream stream, void* to, std::int64_t bytes) = 0;

  virtual DeviceStatus CreateEvent(DeviceEvent* event) = 0;
  virtual void DestroyEvent(DeviceEvent event) = 0;
  virtual DeviceStatus Record(DeviceStream stream, DeviceEvent event) = 0;
  // The host waits until the moment that was recorded last has come.
  virtual DeviceStatus WaitFor(DeviceEvent event) = 0;
  // Of two moments that have come.
  virtual DeviceStatus SecondsBetween(DeviceEvent begin, DeviceEvent end, double* seconds) = 0;

  virtual DeviceStatus BeginCapture(DeviceStream stream) = 0;
  virtual DeviceStatus EndCapture(DeviceStream stream, DeviceGraph* graph) = 0;
  virtual DeviceStatus Launch(DeviceStream stream, DeviceGraph graph) = 0;
  virtual void DestroyGraph(DeviceGraph graph) = 0;
};

}  // namespace sextant
