// Root-mean-square normalisation of rows (MODEL.md section 3).
//
//   y = w * (x / sqrt(mean(x^2) + eps))
//
// Shapes:    T rows of H values; x and y may be the same memory, or strided parts of wider rows.
// Numerics:  the mean and the product with its inverse root are f32. Under kBf16 the normalised
//            value is rounded, multiplied by the weight, and rounded again (as DeepSeek's code
//            does in bf16). The sum's order depends on H alone.
// Threads:   rows are shared out over the stream's pool when there are enough of them.
// Errors:    InvalidArgument when shapes disagree, H is 0, or the weight is neither bf16 nor f32;
//            outputs untouched.
#pragma once

#include "absl/status/status.h"
#include "common/device/stream.h"
#include "common/tensor/matrix_view.h"
#include "common/tensor/precision.h"

namespace sextant {

struct RmsNormArgs {
  MatrixView<const float> x;  // [T, H]
  WeightView weight;          // [1, H]
  float eps = 1e-6F;
  MatrixView<float> y;  // [T, H] out
  Precision precision = Precision::kBf16;
};
[[nodiscard]] absl::Status RmsNorm(Stream& stream, const RmsNormArgs& args);

// The residual connection and the norm after it: h += delta, then y = RmsNorm(h). Under kBf16 the
// sum is rounded before it is normalised. `h`, `delta` and `y` must not overlap.
struct AddRmsNormArgs {
  MatrixView<float> h;            // [T, H] in and out
  MatrixView<const float> delta;  // [T, H]
  WeightView weight;              // [1, H]
  float eps = 1e-6F;
  MatrixView<float> y;  // [T, H] out
  Precision precision = Precision::kBf16;
};
[[nodiscard]] absl::Status AddRmsNorm(Stream& stream, const AddRmsNormArgs& args);

}  // namespace sextant
