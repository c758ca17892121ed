// Rotates the last rope_dim values of each head by its row's position (MODEL.md section 3).
//
//   (x0, x1) -> (x0 cos - x1 sin, x1 cos + x0 sin) for the adjacent pairs (2j, 2j + 1)
//
// Shapes:    T rows of N heads of D values; the first D - rope_dim of a head are left alone.
// Numerics:  f32; under kBf16 both products and their sum are rounded, as DeepSeek's code run in
//            bf16 does. No sum is longer than two, so every backend gives the same bits.
// Errors:    InvalidArgument when shapes disagree; outputs untouched.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "common/device/stream.h"
#include "common/tensor/matrix_view.h"
#include "common/tensor/precision.h"

namespace sextant {

struct ApplyRopeArgs {
  MatrixView<float> x;          // [T, N * D] in place
  std::int64_t num_heads = 1;   // N
  MatrixView<const float> cos;  // [T, rope_dim / 2], from RopeTable::Rows
  MatrixView<const float> sin;  // [T, rope_dim / 2]
  Precision precision = Precision::kBf16;
};
[[nodiscard]] absl::Status ApplyRope(Stream& stream, const ApplyRopeArgs& args);

}  // namespace sextant
