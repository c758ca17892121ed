// One row of Sample: what is checked of it, its faults, and the naive oracle.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/sampling/sample.h"

namespace sextant {

struct SampleRowArgs {
  absl::Span<const float> logits;             // [V]
  absl::Span<const std::int32_t> banned_ids;  // checked: ascending, in [0, V)
  const SampleRow* row = nullptr;             // checked: params valid, history in [0, V)
};

// What Sample refuses, as a whole and of a row.
[[nodiscard]] absl::Status CheckBannedIds(absl::Span<const std::int32_t> ids,
                                          std::int64_t vocab_size);
[[nodiscard]] absl::Status CheckSampleRow(const SampleRow& row, std::int64_t vocab_size);

// A row's faults: a logit is NaN or infinite; every id is banned.
[[nodiscard]] absl::Status NotFiniteError();
[[nodiscard]] absl::Status AllBannedError();

// Sorts the whole vocabulary and sums in its order; never tuned.
[[nodiscard]] absl::StatusOr<SampledToken> SampleRowReference(const SampleRowArgs& args);

}  // namespace sextant
