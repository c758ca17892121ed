// Element types of tensors in memory and in checkpoints.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sextant {

enum class DType : std::uint8_t { kBf16, kFp16, kFp32 };

[[nodiscard]] std::int64_t BytesOf(DType dtype);

// "bf16", "fp16", "fp32": the spelling of flags, logs and errors.
[[nodiscard]] const char* Name(DType dtype);

// Accepts what Name gives. Errors: InvalidArgument naming the accepted spellings.
[[nodiscard]] absl::StatusOr<DType> ParseDType(absl::string_view name);

}  // namespace sextant
