// Attention of prompt positions on a GPU: keys and values are expanded from the latents, per head.
//
//   K_h = c UK_h^T | k_r,  V_h = c UV_h^T,  o_h = softmax(q_h K_h^T * scale, causal) V_h
//
// Of kv_b, rows h * 256 .. + 127 are UK_h, the next 128 UV_h.
//
// Shapes:    T rows of one sequence at positions start .. start + T - 1; the row at position p sees
//            keys 0 .. p, which must all be in the cache. N heads; widths are those of the V2
//            family: nope 128, rope 64, v 128, rank 512.
// Order:     keys are taken in tiles of 64 positions counted from position 0, so a row's bits
//            depend on its own q and keys alone: not on the chunk it comes in, nor on its place
//            there, nor on how many keys are expanded at a time.
// Numerics:  K and V are rounded to bf16, and so are the weights exp(score - largest so far), as
//            operands; scores, their sums and the softmax are f32 and not rounded, and the output
//            is. Those are fewer roundings than the published code makes (it rounds q K^T, its
//            scaling and the softmax's result), each of the same relative size.
// Memory:    `expanded` for `span_keys` positions, 512 N bytes each; where the context is longer,
//            spans follow one another and `state` carries 520 N bytes from span to span for each
//            row.
// Stream:    asynchronous; a launch or two for each span.
// Errors:    kInvalidArgument for shapes or pointers that do not fit; nothing is launched.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"
#include "kernels/cuda/launch.h"

namespace sextant {

inline constexpr int kPrefillNope = 128;
inline constexpr int kPrefillV = 128;
inline constexpr int kPrefillTileKeys = 64;
inline constexpr int kPrefillStateFloats = kPrefillV + 2;

struct MlaPrefillCudaArgs {
  const Bf16* q = nullptr;  // [T, N * 192], its rope parts rotated
  std::int64_t q_stride = 0;
  const Bf16* kv_b = nullptr;                 // [N * 256, 512], as published
  const Bf16* cache = nullptr;                // [slots, 576], one layer; fewer than 2^31 values
  const std::int32_t* block_table = nullptr;  // on the device; covers start + T positions
  std::int32_t block_tokens = 0;
  std::int32_t start = 0;      // position of the first row
  std::int32_t rows = 0;       // T
  std::int32_t num_heads = 0;  // N
  float scale = 0;             // AttentionScale()
  Bf16* out = nullptr;         // [T, N * 128] out
  std::int64_t out_stride = 0;
  std::int32_t span_keys = 0;  // a multiple of 64
  Bf16* expanded = nullptr;    // [span_keys, N * 256] workspace
  float* state = nullptr;  // [T, N, kPrefillStateFloats] workspace; null where one span is enough
};
DeviceStatus MlaPrefillCuda(DeviceStream stream, const MlaPrefillCudaArgs& args);

}  // namespace sextant
