// An error of a call, as a person wants to read it.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace sextant::cli {

// "RESOURCE_EXHAUSTED: the queue is full (QUEUE_FULL); try again in 2s". `target` is named where
// nobody answers there.
[[nodiscard]] std::string StatusText(const absl::Status& status, const std::string& target);

}  // namespace sextant::cli
