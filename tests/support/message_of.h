// The message of a failed status as a std::string, which matchers take.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sextant {

inline std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

template <typename T>
std::string MessageOf(const absl::StatusOr<T>& result) {
  return MessageOf(result.status());
}

}  // namespace sextant
