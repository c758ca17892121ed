// A folder for the unix sockets of processes that are run together.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace sextant::cli {

// Removed at the end unless it was there before.
class RuntimeDir {
 public:
  // Empty: one of its own in the system's folder for temporary files.
  // Errors: Unavailable, naming --runtime-dir, when it cannot be made.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<RuntimeDir>> Make(const std::string& wanted);
  ~RuntimeDir();
  RuntimeDir(const RuntimeDir&) = delete;
  RuntimeDir& operator=(const RuntimeDir&) = delete;

  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  RuntimeDir(std::filesystem::path path, bool remove) : path_(std::move(path)), remove_(remove) {}

  const std::filesystem::path path_;
  const bool remove_;
};

// The program that runs here; those of the other roles lie beside it.
[[nodiscard]] std::filesystem::path OwnProgram();

}  // namespace sextant::cli
