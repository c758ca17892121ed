#include "common/base/module.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sextant {
namespace {

template <typename... Parts>
absl::Status Useless(const ModuleName& module, const Parts&... parts) {
  return absl::FailedPreconditionError(absl::StrCat(module.useless, ": ", parts...));
}

absl::StatusOr<std::string> FindFile(const ModuleName& module) {
  if (const char* named = std::getenv(module.variable); named != nullptr && *named != '\0') {
    if (access(named, F_OK) == 0) return std::string(named);
    return Useless(module, module.variable, " names ", named, ", which is not there");
  }
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string beside = (program.parent_path() / module.file).string();
  if (!error && access(beside.c_str(), F_OK) == 0) return beside;
  return absl::NotFoundError(absl::StrCat(
      module.missing, " (there is no ", beside,
      "); build with the preset `cuda`, or name the module of this build in ", module.variable));
}

}  // namespace

absl::StatusOr<ModuleEntry> FindInModule(const ModuleName& module, const char* function) {
  const absl::StatusOr<std::string> file = FindFile(module);
  if (!file.ok()) return file.status();
  // By an absolute path: a bare name would be looked for in the system's folders.
  ModuleEntry entry{.path = std::filesystem::absolute(*file).string()};
  void* library = dlopen(entry.path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return Useless(module, "the module cannot be loaded: ", dlerror());
  entry.function = dlsym(library, function);
  if (entry.function == nullptr) return Useless(module, entry.path, " is not ", module.what);
  return entry;
}

}  // namespace sextant
