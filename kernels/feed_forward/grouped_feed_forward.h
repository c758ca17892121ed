// y = down(silu(gate x) * up x), for many experts at once, each on its own rows of x.
//
// Shapes:    T rows of x, H hidden, F the width of an expert (it may differ between experts).
// Order:     y holds the experts' outputs one after another, each in the order of its `rows`.
// Numerics:  kBf16 rounds gate, up, silu(gate), their product and down to bf16 (DeepSeek-V2's
//            published modeling code run in bf16); kFp32 rounds nothing. silu(v) = v / (1 +
//            exp(-v)), exp to 2 ulp. A row's bits depend on the row, the weights and the backend
//            only (kernels/README.md, "The determinism rule").
// Ownership: views borrow for the time of the call; y must not overlap x.
// Errors:    InvalidArgument when shapes, strides, dtypes or row numbers do not fit; outputs
//            untouched.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/device/stream.h"
#include "common/tensor/matrix_view.h"
#include "common/tensor/precision.h"

namespace sextant {

struct FeedForwardWeights {
  WeightView gate;  // [F, H]
  WeightView up;    // [F, H]
  WeightView down;  // [H, F]
};

struct ExpertRows {
  FeedForwardWeights weights;
  // Rows of x for this expert, each in [0, T); a row may occur often. Absent: all T, in order (a
  // dense MLP, the shared experts).
  std::optional<absl::Span<const std::int32_t>> rows;
};

struct GroupedFeedForwardArgs {
  MatrixView<const float> x;  // [T, H]; under kBf16 values that bf16 can hold
  absl::Span<const ExpertRows> experts;
  MatrixView<float> y;  // [sum of the experts' rows, H] out
  Precision precision = Precision::kBf16;
};
[[nodiscard]] absl::Status GroupedFeedForward(Stream& stream, const GroupedFeedForwardArgs& args);

}  // namespace sextant
