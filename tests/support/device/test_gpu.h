// The driver and the kernels of the device that tests run on: an EmulatedGpu, or GPU 0 out of the
// module of this build. Which one is a matter of what a test is linked with.
#pragma once

#include "kernels/cuda_module/cuda_backend.h"

namespace sextant {

// Aborts where there is none: DeviceTest skips there.
[[nodiscard]] CudaBackend OpenTestGpu();

}  // namespace sextant
