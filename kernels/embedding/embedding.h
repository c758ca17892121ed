// Looks up the rows of the embedding table: where the residual stream starts.
//
// Shapes:    T tokens, V vocabulary, H hidden; row-major.
// Numerics:  exact; under kBf16 the rows of an f32 table are rounded to bf16.
// Ownership: views borrow.
// Errors:    InvalidArgument when shapes disagree or an id is outside [0, V), naming its place;
//            `rows` untouched.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/device/stream.h"
#include "common/tensor/matrix_view.h"
#include "common/tensor/precision.h"

namespace sextant {

struct EmbeddingArgs {
  WeightView table;                    // [V, H]
  absl::Span<const std::int32_t> ids;  // [T]
  Precision precision = Precision::kBf16;
  MatrixView<float> rows;  // [T, H] out
};
[[nodiscard]] absl::Status Embedding(Stream& stream, const EmbeddingArgs& args);

}  // namespace sextant
