#include <cstdlib>

#include "common/base/check.h"
#include "tests/support/device/test_gpu.h"

namespace sextant {

CudaBackend OpenTestGpu() {
  // Elsewhere than where it was built, tests/gpu/run says where it is.
  setenv("SEXTANT_CUDA_MODULE", SEXTANT_MODULE_OF_THIS_BUILD, 0);
  absl::StatusOr<CudaBackend> backend = OpenCuda(0);
  CHECK_EQ(backend.status().ToString(), "OK");
  return *std::move(backend);
}

}  // namespace sextant
