// Sizes as people write them: "5GB", "1.5 GiB", "512MB", "4096".
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sextant {

// B, KB, MB, GB, TB count in thousands, KiB, MiB, GiB, TiB in 1024s; case does not matter, and a
// bare number is bytes. A fraction is rounded down to whole bytes.
//
// Errors: InvalidArgument with the accepted forms for anything else, and above 2^62 bytes.
[[nodiscard]] absl::StatusOr<std::int64_t> ParseByteSize(absl::string_view text);

}  // namespace sextant
