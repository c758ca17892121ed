#include "tests/support/device/emulated_gpu.h"
#include "tests/support/device/test_gpu.h"

namespace sextant {

CudaBackend OpenTestGpu() { return {std::make_unique<EmulatedGpu>(), &LinkedCudaKernels()}; }

}  // namespace sextant
