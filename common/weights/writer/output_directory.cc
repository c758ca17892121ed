#include "common/weights/writer/output_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/file.h"
#include "common/base/status.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;

bool IsCheckpointFile(const fs::directory_entry& entry) {
  const std::string name = entry.path().filename().string();
  if (!entry.is_regular_file()) return false;
  return absl::EndsWith(name, ".safetensors") || name == "model.safetensors.index.json" ||
         name == "config.json" || name == "generation_config.json" || name == "tokenizer.json" ||
         name == "tokenizer_config.json";
}

absl::Status CheckDestination(const std::string& destination, Replace replace) {
  std::error_code error;
  const fs::file_status status = fs::status(destination, error);
  if (status.type() == fs::file_type::not_found) return absl::OkStatus();
  if (status.type() != fs::file_type::directory) {
    return absl::AlreadyExistsError(
        absl::StrCat(destination, ": is there and is not a folder; choose another name"));
  }
  for (fs::directory_iterator entry(destination, error), end; !error && entry != end;
       entry.increment(error)) {
    if (replace == Replace::kNever) {
      return absl::AlreadyExistsError(absl::StrCat(
          destination, ": is not empty; choose another folder, or pass --force to replace it"));
    }
    if (!IsCheckpointFile(*entry)) {
      return absl::AlreadyExistsError(
          absl::StrCat(destination, ": holds ", entry->path().filename().string(),
                       ", which is no file of a checkpoint, so it is not replaced; choose another "
                       "folder"));
    }
  }
  return error ? FileError(error.value(), destination, "cannot be listed") : absl::OkStatus();
}

// "dir/." and "dir/" name dir.
fs::path WithoutTrailingSlash(const std::string& path) {
  fs::path result = fs::absolute(path).lexically_normal();
  return result.has_filename() ? result : result.parent_path();
}

}  // namespace

OutputDirectory::OutputDirectory(std::string destination, std::string staging)
    : destination_(std::move(destination)), staging_(std::move(staging)) {}

OutputDirectory::OutputDirectory(OutputDirectory&& other) noexcept { *this = std::move(other); }

OutputDirectory& OutputDirectory::operator=(OutputDirectory&& other) noexcept {
  std::swap(destination_, other.destination_);
  std::swap(staging_, other.staging_);
  return *this;
}

OutputDirectory::~OutputDirectory() {
  std::error_code ignored;
  if (!staging_.empty()) fs::remove_all(staging_, ignored);
}

absl::StatusOr<OutputDirectory> OutputDirectory::Create(const std::string& destination,
                                                        Replace replace) {
  RETURN_IF_ERROR(CheckDestination(destination, replace));
  const fs::path path = WithoutTrailingSlash(destination);
  const std::string parent = path.parent_path().string();
  std::error_code ignored;
  if (!fs::is_directory(parent, ignored)) {
    return absl::NotFoundError(absl::StrCat(destination, ": the folder ", parent,
                                            " does not exist; create it, or choose another"));
  }
  const std::string staging =
      absl::StrCat(parent, "/.", path.filename().string(), ".partial-", ::getpid());
  if (::mkdir(staging.c_str(), 0755) != 0) {
    return FileError(errno, destination,
                     absl::StrCat("cannot be created, choose a folder that you may write to"));
  }
  return OutputDirectory(path.string(), staging);
}

absl::Status OutputDirectory::Publish() {
  std::error_code error;
  if (!fs::exists(destination_, error)) {
    if (::rename(staging_.c_str(), destination_.c_str()) != 0) {
      return FileError(errno, destination_, "cannot be put in place");
    }
    staging_.clear();
    return absl::OkStatus();
  }
  // The old directory takes the staging name, and goes with it.
  if (::renameat2(AT_FDCWD, staging_.c_str(), AT_FDCWD, destination_.c_str(), RENAME_EXCHANGE) !=
      0) {
    return FileError(errno, destination_, "cannot be replaced, remove it first");
  }
  fs::remove_all(staging_, error);
  staging_.clear();
  return absl::OkStatus();
}

}  // namespace sextant
