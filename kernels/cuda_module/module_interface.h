// What a program and the module `sextant_cuda.so` agree about: one function, found by its name.
//
// Both were compiled with SEXTANT_CUDA_INTERFACE, a digest of every header whose types cross the
// border (CMakeLists.txt here). The module is told the program's and returns its own; where they
// differ nothing else has happened, because nothing else has the same meaning on both sides.
#pragma once

#include "common/device/gpu_driver.h"
#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant {

struct OpenedGpu {
  GpuDriver* gpu = nullptr;  // the caller's to delete
  const CudaKernels* kernels = nullptr;
  char problem[512] = {};  // why there is no gpu
};

using OpenGpuOfModule = const char*(const char* interface, int device, OpenedGpu* opened);
inline constexpr char kOpenGpuSymbol[] = "sextant_cuda_open_gpu";
// Not inline: the dynamic linker would make one of the program's and the module's.
constexpr char kCudaInterface[] = SEXTANT_CUDA_INTERFACE;

}  // namespace sextant
