// Rows of the paged latent cache in shared memory: where they come from, and where they lie.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/mla/mla_decode_cuda.h"

namespace sextant {

inline constexpr int kLatentWidth = kLatentRank + kLatentRope;
inline constexpr int kLatentChunks = kLatentWidth / kBf16PerWords;

// The slot of a position, by its sequence's block table. A layer's cache has fewer than 2^31
// values.
__device__ __forceinline__ int SlotOf(const std::int32_t* block_table, int block_tokens,
                                      int position) {
  return block_table[position / block_tokens] * block_tokens + position % block_tokens;
}

// Where chunk `chunk` of row `row` lies. Rows are a whole number of 128 bytes, and the eight chunks
// of each 128 are permuted by the row, so that ldmatrix meets no bank twice.
__device__ __forceinline__ int LatentPlace(int row, int chunk) {
  return row * kLatentWidth + (chunk ^ (row % 8)) * kBf16PerWords;
}

}  // namespace sextant
