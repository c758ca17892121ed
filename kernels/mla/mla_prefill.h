// Attention of prompt positions: keys and values are expanded from the latents, per head.
//
//   K_h = c UK_h^T | k_r,  V_h = c UV_h^T,  o_h = softmax(q_h K_h^T * scale, causal) V_h
//
// Of kv_b, rows h * (nope + v) .. + nope are UK_h, the next v rows UV_h.
//
// Shapes:    T rows of one sequence at positions start .. start + T - 1; the row at position p
//            sees keys 0 .. p, which must all be in the cache (WriteLatents first).
// Order:     keys are taken in spans of 4096 positions counted from position 0, so a row's bits
//            depend on its own q and keys alone: not on the chunk it comes in, nor on threads.
// Numerics:  under kBf16 rounded where the published code rounds: K and V, q K^T, its scaling,
//            the softmax's result, and the output; sums and the softmax are f32. Past 4096 keys
//            each span's softmax is rounded by itself and the spans are merged in f32 (the
//            published code, which rounds one softmax over all keys, differs by as much as any
//            two roundings do).
// Memory:    scratch for one span of as many heads as fit in 48 MB, 0.8 MB per thread, and 8 bytes
//            per row and head. It does not grow with the context: at 163,840 positions, 40 spans
//            follow one another in the same memory.
// Threads:   heads, keys and rows are shared out over the stream's pool.
// Errors:    InvalidArgument when shapes or dtypes disagree, a width is odd, or a block does not
//            exist; the output is untouched.
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

struct MlaPrefillArgs {
  MlaDims dims;
  MatrixView<const float> q;  // [T, N * (nope + rope)], its rope parts rotated
  WeightView kv_b;            // [N * (nope + v), R]
  LatentCacheView cache;
  absl::Span<const std::int32_t> blocks;  // covers start + T positions
  std::int64_t start = 0;                 // position of the first row
  float scale = 0;                        // AttentionScale()
  MatrixView<float> out;                  // [T, N * v] out
  Precision precision = Precision::kBf16;
};
[[nodiscard]] absl::Status MlaPrefill(Stream& stream, const MlaPrefillArgs& args);

}  // namespace sextant
