// Times each kernel of a step on a GPU: a table whose operations are those of another table, with
// an event before and one after.
//
// What an operation reads and multiplies at least is counted from its arguments and from what the
// device alone knows, which StepFacts tells.
// Threads: the engine thread makes every call. One clock exists at a time, because an operation of
// the table is a plain function that must find it.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "common/device/gpu.h"
#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant::cli {

// Means over the layers and rows of the steps that are timed.
struct StepFacts {
  double context = 0;  // positions that a decode row sees
  double experts = 0;  // different ones that a layer's rows go to
};

struct KernelCost {
  double bytes = 0;
  double flops = 0;
};

struct KernelTime {
  const char* name = "";
  std::int64_t calls = 0;
  double seconds = 0;
  KernelCost cost;  // of all calls
};

class KernelClock {
 public:
  // `kernels` and `stream` outlive the clock. CHECKs that there is no other one.
  KernelClock(const CudaKernels& kernels, const GpuStream& stream, const StepFacts& facts);
  ~KernelClock();
  KernelClock(const KernelClock&) = delete;
  KernelClock& operator=(const KernelClock&) = delete;

  // `kernels`, but what a step runs is timed by the clock that exists then.
  [[nodiscard]] static CudaKernels TimedKernels(const CudaKernels& kernels);

  // What was put on the stream since the clock was made, by the time that it took; waits for it.
  [[nodiscard]] absl::StatusOr<std::vector<KernelTime>> Read();

 private:
  struct Call {
    const char* name;
    KernelCost cost;
    GpuEvent begin;
    GpuEvent end;
  };

  template <auto kOperation, typename Args>
  static DeviceStatus Timed(DeviceStream stream, const Args& args);
  DeviceStatus Begin(const char* name, const KernelCost& cost);
  DeviceStatus End();

  static KernelClock* current_;

  const CudaKernels& kernels_;
  const GpuStream& stream_;
  const StepFacts facts_;
  std::vector<Call> calls_;
};

}  // namespace sextant::cli
