// A directory that appears whole or not at all: files are written beside the destination and the
// finished directory takes its name in one step. An unpublished one removes itself.
//
// Errors: one line that says what to do: AlreadyExists for a destination in use, NotFound when
//         the folder around it is missing, PermissionDenied when it cannot be written.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sextant {

enum class Replace {
  kNever,       // the destination must be absent or empty
  kCheckpoint,  // or hold nothing but files of a checkpoint
};

class OutputDirectory {
 public:
  [[nodiscard]] static absl::StatusOr<OutputDirectory> Create(const std::string& destination,
                                                              Replace replace);
  OutputDirectory(OutputDirectory&& other) noexcept;
  OutputDirectory& operator=(OutputDirectory&& other) noexcept;
  ~OutputDirectory();

  // Where to write until Publish.
  [[nodiscard]] const std::string& staging() const { return staging_; }
  [[nodiscard]] absl::Status Publish();

 private:
  OutputDirectory(std::string destination, std::string staging);

  std::string destination_;
  std::string staging_;  // empty once published or moved from
};

}  // namespace sextant
