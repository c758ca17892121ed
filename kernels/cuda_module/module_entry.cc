#include <cstring>
#include <memory>
#include <string>

#include "kernels/cuda_module/cuda_driver.h"
#include "kernels/cuda_module/module_interface.h"

extern "C" __attribute__((visibility("default"))) const char* sextant_cuda_open_gpu(
    const char* interface, int device, sextant::OpenedGpu* opened) {
  if (std::strcmp(interface, sextant::kCudaInterface) != 0) return sextant::kCudaInterface;
  std::string problem;
  std::unique_ptr<sextant::GpuDriver> gpu = sextant::OpenCudaDriver(device, &problem);
  opened->gpu = gpu.release();
  opened->kernels = &sextant::LinkedCudaKernels();
  problem.copy(opened->problem, sizeof(opened->problem) - 1);
  return sextant::kCudaInterface;
}
