// What the kernel says about this process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace sextant::cli {

// Since the process was started; to about 10 ms.
[[nodiscard]] absl::StatusOr<double> SecondsSinceStart();

// Memory that belongs to this process alone: neither mapped files nor shared memory.
[[nodiscard]] absl::StatusOr<std::int64_t> AnonymousBytes();

// Of the file pages that are mapped into this process and in memory, the share in huge pages: 0 to
// 1. None where there are none, or the kernel does not say. Walks the page tables: milliseconds.
[[nodiscard]] std::optional<double> HugeFileShare();

// The processor's name, or "unknown processor".
[[nodiscard]] std::string ProcessorName();

}  // namespace sextant::cli
