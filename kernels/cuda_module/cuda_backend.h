// A GPU and the kernels for it, out of the module `sextant_cuda.so`, which is loaded when a GPU is
// asked for: programs need neither CUDA's libraries nor a driver to start.
//
// The module lies beside the program (build/bin), or where the environment variable
// SEXTANT_CUDA_MODULE says. One of another build is refused.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/device/gpu_driver.h"
#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant {

// Lives as long as the process once loaded. Both pointers are of the module.
struct CudaBackend {
  std::unique_ptr<GpuDriver> gpu;
  const CudaKernels* kernels = nullptr;
};

// Opens GPU number `device` of those that CUDA shows: from 0, or from -1, the last one, downwards.
// Errors:    NotFound where this build has no module; FailedPrecondition saying why no GPU can be
//            used, to a person at a terminal: a missing library, no driver, no GPU of that number,
//            one that there are no kernels for, a module of another build.
// Threads:   any.
[[nodiscard]] absl::StatusOr<CudaBackend> OpenCuda(int device);

}  // namespace sextant
