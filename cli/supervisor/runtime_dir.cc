#include "cli/supervisor/runtime_dir.h"

#include <cstdlib>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace sextant::cli {

namespace fs = std::filesystem;

absl::StatusOr<std::unique_ptr<RuntimeDir>> RuntimeDir::Make(const std::string& wanted) {
  std::error_code error;
  if (!wanted.empty()) {
    const bool made = fs::create_directories(wanted, error);
    if (error) {
      return absl::UnavailableError(
          absl::StrCat("--runtime-dir ", wanted, " cannot be made: ", error.message()));
    }
    return std::unique_ptr<RuntimeDir>(new RuntimeDir(fs::absolute(wanted), made));
  }
  std::string pattern = (fs::temp_directory_path(error) / "sextant-XXXXXX").string();
  if (error || mkdtemp(pattern.data()) == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("no temporary folder for sockets can be made; give --runtime-dir"));
  }
  return std::unique_ptr<RuntimeDir>(new RuntimeDir(pattern, true));
}

RuntimeDir::~RuntimeDir() {
  std::error_code error;
  if (remove_) fs::remove_all(path_, error);
}

fs::path OwnProgram() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path("sextant") : program;
}

}  // namespace sextant::cli
