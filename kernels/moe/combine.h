// Adds a MoE layer's result to the residual stream: the chosen experts' outputs, weighted and
// summed, then the shared experts, then the residual.
//
// Shapes:    T tokens, K chosen experts, H hidden, R rows of expert output; row-major.
// Order:     slots in top-k order 0..K-1, so that where an expert ran cannot change a bit.
// Numerics:  the K slots are summed in f32 from 0; under kBf16 rounded once, then after the shared
//            experts are added, then after the residual is (MODEL.md's rounding points).
// Ownership: views borrow; `residual` must not overlap the inputs.
// Errors:    InvalidArgument when shapes disagree or an output row is outside [0, R); outputs
//            untouched.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/device/stream.h"
#include "common/tensor/matrix_view.h"
#include "common/tensor/precision.h"

namespace sextant {

struct CombineArgs {
  MatrixView<const float> expert_out;         // [R, H]
  absl::Span<const std::int32_t> output_row;  // [T * K]: which row is slot k of token t
  MatrixView<const float> weights;            // [T, K]
  MatrixView<const float> shared_out;         // [T, H], or no rows: a model without shared experts
  Precision precision = Precision::kBf16;
  MatrixView<float> residual;  // [T, H] in and out
};
[[nodiscard]] absl::Status Combine(Stream& stream, const CombineArgs& args);

}  // namespace sextant
