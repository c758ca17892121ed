#include "kernels/cuda_module/cuda_backend.h"

#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/module.h"
#include "kernels/cuda_module/module_interface.h"

namespace sextant {
namespace {

constexpr ModuleName kModule = {.file = "sextant_cuda.so",
                                .variable = "SEXTANT_CUDA_MODULE",
                                .what = "Sextant's CUDA module",
                                .missing = "this build has no CUDA",
                                .useless = "no GPU can be used"};

template <typename... Parts>
absl::Status NoGpu(const Parts&... parts) {
  return absl::FailedPreconditionError(absl::StrCat(kModule.useless, ": ", parts...));
}

}  // namespace

absl::StatusOr<CudaBackend> OpenCuda(int device) {
  const absl::StatusOr<ModuleEntry> entry = FindInModule(kModule, kOpenGpuSymbol);
  if (!entry.ok()) return entry.status();
  const auto open_gpu = reinterpret_cast<OpenGpuOfModule*>(entry->function);
  OpenedGpu opened;
  const char* interface = open_gpu(kCudaInterface, device, &opened);
  if (std::strcmp(interface, kCudaInterface) != 0) {
    return NoGpu(entry->path, " is of another build (", interface, ", and this program needs ",
                 kCudaInterface, "); build both together");
  }
  if (opened.problem[0] != '\0') return NoGpu(opened.problem);
  return CudaBackend{std::unique_ptr<GpuDriver>(opened.gpu), opened.kernels};
}

}  // namespace sextant
