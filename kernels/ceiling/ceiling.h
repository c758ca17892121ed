// What this machine could do at best: the yardstick of benchmarks, measured and not looked up.
#pragma once

#include "absl/status/statusor.h"
#include "common/device/stream.h"

namespace sextant {

struct Ceilings {
  double read_bytes_per_s = 0;     // all threads of the stream read memory that no cache holds
  double product_flops_per_s = 0;  // all threads multiply bf16 values and add, in registers only
};

// Takes about a second and, for its duration, 1 GiB of memory. The best of several passes. The
// reference backend is measured by the loops of AVX2.
// Errors: ResourceExhausted when the memory cannot be had; FailedPrecondition without AVX2.
[[nodiscard]] absl::StatusOr<Ceilings> MeasureCeilings(Stream& stream);

// The second of them alone: a tenth of a second. Needs a processor with AVX2.
[[nodiscard]] double MeasureProductFlopsPerSecond(Stream& stream);

// How fast the stream's threads read this memory together: the best of several passes.
[[nodiscard]] double MeasureReadBytesPerSecond(Stream& stream, const char* data,
                                               std::int64_t bytes);

}  // namespace sextant
