// Attention of generated positions on a GPU, in the latent space: nothing is expanded.
//
//   score = (q~_h . c + q_r . k_r) * scale,  u_h = sum softmax(score) c
//
// q~ comes from HeadProductCuda (absorb), which also makes the output o_h = UV_h u_h of what this
// leaves (unabsorb).
//
// Shapes:    B rows, each a generated position of some sequence; several may be of the same one. A
//            row of length n sees keys 0 .. n - 1, which must all be in the cache. N heads; latents
//            of 512 values and keys of 64, as all of the V2 family have.
// Order:     keys are taken in splits of 512 positions counted from position 0, within a split in
//            tiles of 32, and splits are merged in order: a row's bits depend on its own q and keys
//            alone, not on the grid.
// Numerics:  products of bf16 values; sums and the softmax are f32. The weights, e to the score
//            less the largest so far, are rounded to bf16 as operands of products with the
//            latents; their sum is of the unrounded ones. u is not rounded: it is left in two
//            halves of bf16, whose sum has 16 bits of it.
// Memory:    a latent is read once for every 16 heads. Partial results: 4 (N 512 + 2 N) bytes for
//            each split, which is 5.6% of the latents that it reads at 16 heads, written and read.
// Stream:    asynchronous. Lengths and tables are read on the device. PlanDecodeCuda, once a step,
//            lists the splits; the grid is as large as the GPU wants it (`blocks`) and walks the
//            list, so that a captured graph serves every length.
// Errors:    kInvalidArgument for shapes or pointers that do not fit; nothing is launched. Blocks
//            must exist, and the splits fit `max_splits`: nobody can check that here.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"
#include "kernels/cuda/launch.h"

namespace sextant {

inline constexpr int kDecodeSplitCuda = 512;
inline constexpr int kLatentRank = 512;
inline constexpr int kLatentRope = 64;

// The splits of a step's rows, in device memory, shared by all layers.
struct DecodePlan {
  std::int32_t* offsets = nullptr;  // [B + 1] row b has splits offsets[b] .. offsets[b + 1] - 1
  std::int32_t* rows = nullptr;     // [max_splits] the row of each split
  std::int32_t max_splits = 0;
};

struct PlanDecodeCudaArgs {
  const std::int32_t* lengths = nullptr;    // [B]
  std::int32_t rows = 0;                    // B
  const std::int32_t* live_rows = nullptr;  // on the device: later rows have no splits
  DecodePlan plan;                          // out; splits beyond max_splits are not listed
};
DeviceStatus PlanDecodeCuda(DeviceStream stream, const PlanDecodeCudaArgs& args);

struct MlaDecodeCudaArgs {
  const Bf16* latent_q = nullptr;  // [B, N, 512]: q~
  const Bf16* q = nullptr;         // [B, N * (nope + 64)], its rope parts rotated
  std::int64_t q_stride = 0;
  std::int32_t nope = 0;
  const Bf16* cache = nullptr;                // [slots, 576], one layer; fewer than 2^31 values
  const std::int32_t* block_table = nullptr;  // [B, block_table_stride]
  std::int64_t block_table_stride = 0;
  std::int32_t block_tokens = 0;
  const std::int32_t* lengths = nullptr;  // [B], each at least 1
  DecodePlan plan;
  std::int32_t rows = 0;                    // B
  const std::int32_t* live_rows = nullptr;  // on the device: rows from this on are left alone
  std::int32_t num_heads = 0;               // N
  float scale = 0;                          // AttentionScale()
  std::int32_t blocks = 1;                  // of the grid: two for each multiprocessor
  float* partial = nullptr;                 // [max_splits, N, 512] workspace
  float* partial_state = nullptr;           // [max_splits, N, 2] workspace
  Bf16* u = nullptr;                        // [B, N, 2 * 512] out: the halves of u
};
DeviceStatus MlaDecodeCuda(DeviceStream stream, const MlaDecodeCudaArgs& args);

}  // namespace sextant
