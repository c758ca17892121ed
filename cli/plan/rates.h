// Rates as data sheets write them: "3.35TB/s", "450 GB/s", "989TFLOPS".
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sextant::cli {

// A size (common/config/byte_size.h) and "/s": bytes per second. Bits are none: 400 Gb/s is 50GB/s.
// Errors: InvalidArgument with the accepted form, also for what is not above 0.
[[nodiscard]] absl::StatusOr<double> ParseBytesPerSecond(absl::string_view text);

// A number and GFLOPS, TFLOPS or PFLOPS, also spelled GFLOP/s and so on; case does not matter.
// Operations per second, of which a multiply-add is two.
// Errors: as above.
[[nodiscard]] absl::StatusOr<double> ParseFlopsPerSecond(absl::string_view text);

}  // namespace sextant::cli
