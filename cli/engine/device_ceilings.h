// What a GPU could do at best, measured by kernels of our own (kernels/ceiling/ceiling_cuda.h).
#pragma once

#include "absl/status/statusor.h"
#include "common/device/gpu.h"
#include "kernels/ceiling/ceiling.h"
#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant::cli {

// Reads `memory`, the first 4 GiB of it at most, and multiplies in registers, for some tens of
// milliseconds. Where the memory fits the GPU's cache, that is what is measured.
[[nodiscard]] absl::StatusOr<Ceilings> MeasureDeviceCeilings(const GpuStream& stream,
                                                             const CudaKernels& kernels,
                                                             const GpuMemory& memory,
                                                             int multiprocessors);

}  // namespace sextant::cli
