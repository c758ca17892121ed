#include "kernels/cuda_module/cuda_backend.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/cuda_module/module_interface.h"

namespace sextant {
namespace {

constexpr char kModuleVariable[] = "SEXTANT_CUDA_MODULE";
constexpr char kModuleName[] = "sextant_cuda.so";

template <typename... Parts>
absl::Status NoGpu(const Parts&... parts) {
  return absl::FailedPreconditionError(absl::StrCat("no GPU can be used: ", parts...));
}

absl::StatusOr<std::string> FindModule() {
  if (const char* named = std::getenv(kModuleVariable); named != nullptr && *named != '\0') {
    if (access(named, F_OK) == 0) return std::string(named);
    return NoGpu(kModuleVariable, " names ", named, ", which is not there");
  }
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string beside = (program.parent_path() / kModuleName).string();
  if (!error && access(beside.c_str(), F_OK) == 0) return beside;
  return absl::NotFoundError(absl::StrCat(
      "this build has no CUDA (there is no ", beside,
      "); build with the preset `cuda`, or name the module of this build in ", kModuleVariable));
}

}  // namespace

absl::StatusOr<CudaBackend> OpenCuda(int device) {
  const absl::StatusOr<std::string> module = FindModule();
  if (!module.ok()) return module.status();
  // By an absolute path: a bare name would be looked for in the system's folders.
  const std::string path = std::filesystem::absolute(*module).string();
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return NoGpu("the module cannot be loaded: ", dlerror());
  void* symbol = dlsym(library, kOpenGpuSymbol);
  if (symbol == nullptr) return NoGpu(path, " is not Sextant's CUDA module");
  const auto open_gpu = reinterpret_cast<OpenGpuOfModule*>(symbol);
  OpenedGpu opened;
  const char* interface = open_gpu(kCudaInterface, device, &opened);
  if (std::strcmp(interface, kCudaInterface) != 0) {
    return NoGpu(path, " is of another build (", interface, ", and this program needs ",
                 kCudaInterface, "); build both together");
  }
  if (opened.problem[0] != '\0') return NoGpu(opened.problem);
  return CudaBackend{std::unique_ptr<GpuDriver>(opened.gpu), opened.kernels};
}

}  // namespace sextant
