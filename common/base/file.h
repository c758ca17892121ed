// Reading and writing small files whole: configuration, templates, vocabularies. Weights are mapped
// instead (common/weights/mapped_file.h).
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sextant {

// The bytes of a regular file.
//
// Errors: NotFound, PermissionDenied or Unavailable naming the path and the system's reason;
//         InvalidArgument for a directory or a device, and for a file above `max_bytes`.
[[nodiscard]] absl::StatusOr<std::string> ReadFile(const std::string& path, std::int64_t max_bytes);

// Creates the file, or replaces what it holds. Errors: as above; ResourceExhausted on a full disk.
[[nodiscard]] absl::Status WriteFile(const std::string& path, absl::string_view bytes);

// "PATH: what failed: reason", with the code that fits `error_number` (an errno value).
[[nodiscard]] absl::Status FileError(int error_number, const std::string& path,
                                     const std::string& what);

}  // namespace sextant
