// Attention of generated positions, in the latent space: nothing is expanded.
//
//   q~_h = UK_h^T q_n,  score = (q~_h . c + q_r . k_r) * scale,  u = sum p c,  o_h = UV_h u
//
// Of kv_b, rows h * (nope + v) .. + nope are UK_h, the next v rows UV_h.
//
// Shapes:    B rows, each a generated position of some sequence; several may be of the same one
//            (a replay). A row of length n sees keys 0 .. n - 1, its own included, which must all
//            be in the cache (WriteLatents first).
// Order:     keys are taken in splits of 256 positions counted from position 0 and merged in that
//            order, so a row's bits depend on its own q and keys alone.
// Numerics:  sums, softmax and merging are f32. Under kBf16 q~ is rounded, and so are the weights
//            exp(score - largest score of the split), as operands of products with the cache;
//            scores, u and the weighted sums are not, and the output is. That is fewer roundings
//            than the published code makes, each of the same relative size.
// Memory:    scratch for the partial results of as many rows as fit in 48 MB, but at least one row:
//            4 N R bytes per split of it (21 MB at 163,840 positions of V2-Lite).
// Threads:   rows, splits and heads are shared out over the stream's pool. A latent read serves
//            every head.
// Errors:    InvalidArgument when shapes or dtypes disagree, a width is odd, a length is below 1,
// or
//            a block does not exist; the output is untouched.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/device/stream.h"
#include "common/tensor/matrix_view.h"
#include "common/tensor/precision.h"
#include "kernels/mla/latent_cache.h"
#include "kernels/mla/mla_dims.h"

namespace sextant {

struct MlaDecodeRow {
  absl::Span<const std::int32_t> blocks;  // covers `length` positions
  std::int64_t length = 0;                // position + 1
};

struct MlaDecodeArgs {
  MlaDims dims;
  MatrixView<const float> q;  // [B, N * (nope + rope)], its rope parts rotated
  WeightView kv_b;            // [N * (nope + v), R]
  LatentCacheView cache;
  absl::Span<const MlaDecodeRow> rows;  // [B]
  float scale = 0;                      // AttentionScale()
  MatrixView<float> out;                // [B, N * v] out
  Precision precision = Precision::kBf16;
};
[[nodiscard]] absl::Status MlaDecode(Stream& stream, const MlaDecodeArgs& args);

}  // namespace sextant
