#include <cuda_runtime_api.h>

#include "common/base/check.h"
#include "tests/support/device/device_memory.h"

namespace sextant {
namespace {

void CheckCuda(cudaError_t error) {
  CHECK_EQ(std::string(cudaGetErrorString(error)), cudaGetErrorString(cudaSuccess));
}

}  // namespace

std::string WhyNoDevice() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) {
    (void)cudaGetLastError();
    return std::string("no GPU can be used here: ") + cudaGetErrorString(error);
  }
  return count > 0 ? "" : "there is no GPU here";
}

DeviceTraffic TakeDeviceTraffic() { CHECK(false && "a GPU does not count"); }

std::string FinishDevice() {
  const cudaError_t error = cudaDeviceSynchronize();
  return error == cudaSuccess ? "" : cudaGetErrorString(error);
}

void* AllocateOnDevice(std::size_t bytes) {
  void* memory = nullptr;
  CheckCuda(cudaMalloc(&memory, bytes > 0 ? bytes : 1));
  return memory;
}
void FreeOnDevice(void* memory) { CheckCuda(cudaFree(memory)); }
void CopyToDevice(void* to, const void* from, std::size_t bytes) {
  CheckCuda(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice));
}
void CopyFromDevice(void* to, const void* from, std::size_t bytes) {
  CheckCuda(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost));
}

}  // namespace sextant
