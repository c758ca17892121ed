// A module that agrees with programs whose interface is SEXTANT_CUDA_INTERFACE, and knows one GPU,
// which cannot do anything.
#include <cstring>

#include "kernels/cuda_module/module_interface.h"

namespace {

const sextant::CudaKernels kKernels = {};

}  // namespace

extern "C" const char* sextant_cuda_open_gpu(const char* interface, int device,
                                             sextant::OpenedGpu* opened) {
  if (std::strcmp(interface, sextant::kCudaInterface) != 0) return sextant::kCudaInterface;
  if (device == 0) {
    opened->kernels = &kKernels;
  } else {
    std::strncpy(opened->problem, "only GPU 0 is there", sizeof(opened->problem) - 1);
  }
  return sextant::kCudaInterface;
}
