// GpuDriver over CUDA's runtime. In the module only.
#pragma once

#include <memory>
#include <string>

#include "common/device/gpu_driver.h"

namespace sextant {

// Opens this one of the GPUs that CUDA shows. Null where it cannot be used: `problem` says why, to
// a person.
[[nodiscard]] std::unique_ptr<GpuDriver> OpenCudaDriver(int device, std::string* problem);

}  // namespace sextant
