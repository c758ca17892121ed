// y = x W^T: projections, the router's gate and the head.
//
// Shapes:    T rows (0 is allowed), K inputs, N outputs.
// Numerics:  kBf16: y is rounded to bf16; AVX-512 multiplies bf16 pairs and adds in f32, the
//            others multiply and add in f32. kFp32: f32 arithmetic, bf16 weights upcast, y as it
//            comes. f32 weights are used as they are under either. A row's bits depend on the row,
//            the weights and the backend only (kernels/README.md, "The determinism rule").
// Ownership: views borrow for the time of the call; y must not overlap x.
// Errors:    InvalidArgument when shapes, strides or dtypes disagree; outputs untouched.
#pragma once

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/device/stream.h"
#include "common/tensor/matrix_view.h"
#include "common/tensor/precision.h"

namespace sextant {

struct LinearArgs {
  MatrixView<const float> x;  // [T, K]; under kBf16 every value is one that bf16 can hold
  WeightView weight;          // [N, K] bf16 or f32, used in place
  MatrixView<float> y;        // [T, N] out
  Precision precision = Precision::kBf16;
};
[[nodiscard]] absl::Status Linear(Stream& stream, const LinearArgs& args);

// Several products in one parallel region, such as q_proj and kv_a_proj of the same rows. Products
// that share x also share its conversion.
[[nodiscard]] absl::Status LinearGroup(Stream& stream, absl::Span<const LinearArgs> products);

}  // namespace sextant
