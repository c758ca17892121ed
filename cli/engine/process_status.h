// What the kernel says about this process.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace sextant::cli {

// Since the process was started; to about 10 ms.
[[nodiscard]] absl::StatusOr<double> SecondsSinceStart();

// Memory that belongs to this process alone: neither mapped files nor shared memory.
[[nodiscard]] absl::StatusOr<std::int64_t> AnonymousBytes();

// Of the file pages that are mapped into this process and in memory, the share in huge pages: 0 to
// 1; 0 when there are none.
[[nodiscard]] absl::StatusOr<double> HugeFileShare();

// The processor's name, or "unknown processor".
[[nodiscard]] std::string ProcessorName();

}  // namespace sextant::cli
