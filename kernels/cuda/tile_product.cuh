// A tile of y = x W^T on tensor cores: what every product of our own is made of.
//
// Weight rows are the 16 rows of mma.m16n8k16 and tokens its 8 columns, whatever the shape of the
// tile. Every output has one sum, to which steps of 16 along K are added in ascending order, so its
// bits depend on its own row, its weights and K; the end of K that does not fill a step is zeros.
// A tile of few tokens and one of many therefore give the same bits.
//
// A block has 32 weight rows for each of kWarpsDown warps, and multiplies them by its tokens, which
// kWarpsAcross warps share out. Operands pass through shared memory in kStages stages of 64 along
// K, copied while earlier ones are multiplied. A row of a stage is
// 128 bytes, whose eight 16-byte chunks are permuted by the row, so that ldmatrix meets no bank
// twice.
#pragma once

#include <cstddef>

#include "kernels/cuda/device.h"

namespace sextant {

inline constexpr int kTileDepth = 64;  // along K, of a stage
inline constexpr int kTileWarpRows = 32;
inline constexpr int kMmaRows = 16;
inline constexpr int kMmaTokens = 8;
inline constexpr int kMmaDepth = 16;
// What a kernel asks of its registers: with the tensor cores of a multiprocessor to themselves, the
// warps of one block would wait for its barriers.
inline constexpr int kBlocksAtOnce = 2;

// kTokenTiles: groups of 8 tokens of a warp, even.
template <int kWarpsDown, int kWarpsAcross, int kTokenTilesOfAWarp, int kStageCount>
struct TileShape {
  static constexpr int kTokenTiles = kTokenTilesOfAWarp;
  static constexpr int kStages = kStageCount;
  static constexpr int kThreads = kWarpsDown * kWarpsAcross * kWarpSize;
  static constexpr int kRows = kWarpsDown * kTileWarpRows;  // of weights
  static constexpr int kWarpTokens = kTokenTiles * kMmaTokens;
  static constexpr int kTokens = kWarpsAcross * kWarpTokens;
  static constexpr int kStageElements = (kRows + kTokens) * kTileDepth;
  static constexpr int kSharedElements = kStages * kStageElements;
  static constexpr int kSharedBytes = kSharedElements * 2;
  // Each thread copies one chunk of every kRowStep-th row.
  static constexpr int kChunks = kTileDepth / kBf16PerWords;
  static constexpr int kRowStep = kThreads / kChunks;
  static constexpr int kWeightCopies = kRows / kRowStep;
  static constexpr int kTokenCopies = (kTokens + kRowStep - 1) / kRowStep;

  // Of the calling thread.
  __device__ static int CopyRow(int copy) { return ThreadIndex() / kChunks + copy * kRowStep; }
  __device__ static int CopyChunk() { return ThreadIndex() % kChunks; }
  __device__ static int WarpRow() { return ThreadIndex() / kWarpSize % kWarpsDown * kTileWarpRows; }
  __device__ static int WarpToken() { return ThreadIndex() / kWarpSize / kWarpsDown * kWarpTokens; }
};

// Where chunk `chunk` of row `row` of a stage's operand lies.
__device__ __forceinline__ int TilePlace(int row, int chunk) {
  return row * kTileDepth + (chunk ^ (row % 8)) * kBf16PerWords;
}

// Rows that a thread copies from: where each begins in a matrix of fewer than 2^31 values, or
// kNoRow, which is zeros. Copies may take turns in two matrices. What a product is given as its
// operands has this At(copy, k): where row CopyRow(copy) goes on at k, or null.
inline constexpr std::int32_t kNoRow = -1;
template <int kCopies, int kMatrices = 1>
struct CopiedRows {
  const Bf16* matrix[std::size_t{kMatrices}];
  std::int32_t row[std::size_t{kCopies}];

  __device__ const Bf16* At(int copy, int k) const {
    return row[copy] == kNoRow ? nullptr : matrix[copy % kMatrices] + (row[copy] + k);
  }
};

template <typename Shape>
using TileSums = float[2][std::size_t{Shape::kTokenTiles}][4];

template <typename Shape, typename Weights, typename Tokens>
__device__ __forceinline__ void CopyStage(SharedSpan<Bf16> memory, int stage, int begin, int depth,
                                          const Weights& weights, const Tokens& tokens) {
  const int at = stage * Shape::kStageElements;
  const int k = begin + Shape::CopyChunk() * kBf16PerWords;
  const auto copy_row = [&](int place, const Bf16* from) {
    const bool valid = from != nullptr && k < depth;
    CopyAsync16(memory, at + place, from, valid);
  };
  SEXTANT_UNROLL
  for (int i = 0; i < Shape::kWeightCopies; ++i) {
    copy_row(TilePlace(Shape::CopyRow(i), Shape::CopyChunk()), weights.At(i, k));
  }
  SEXTANT_UNROLL
  for (int i = 0; i < Shape::kTokenCopies; ++i) {
    const int row = Shape::CopyRow(i);
    if (row >= Shape::kTokens) break;
    copy_row(TilePlace(Shape::kRows + row, Shape::CopyChunk()), tokens.At(i, k));
  }
}

template <typename Shape>
__device__ __forceinline__ void MultiplyStage(SharedSpan<Bf16> memory, int stage,
                                              TileSums<Shape>& sums) {
  const int at = stage * Shape::kStageElements;
  const int lane = ForThisRound(ThreadIndex() % kWarpSize);
  SEXTANT_UNROLL_BY_TWO
  for (int step = 0; step < kTileDepth / kMmaDepth; ++step) {
    std::uint32_t weight[2][4];
    SEXTANT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int row = Shape::WarpRow() + half * kMmaRows + lane % 16;
      LoadMatrix4(weight[half], memory, at + TilePlace(row, 2 * step + lane / 16));
    }
    SEXTANT_UNROLL
    for (int pair = 0; pair < Shape::kTokenTiles / 2; ++pair) {
      const int row = Shape::WarpToken() + pair * 2 * kMmaTokens + lane / 16 * 8 + lane % 8;
      std::uint32_t token[4];
      LoadMatrix4(token, memory, at + TilePlace(Shape::kRows + row, 2 * step + lane / 8 % 2));
      SEXTANT_UNROLL
      for (int half = 0; half < 2; ++half) {
        MmaBf16(sums[half][2 * pair], weight[half], token[0], token[1]);
        MmaBf16(sums[half][2 * pair + 1], weight[half], token[2], token[3]);
      }
    }
  }
}

// sums += the warp's 32 weight rows (sums[0]: the first 16) times its tokens, over `depth` values
// of K, a multiple of 8. All threads of the block call it; afterwards the memory is free.
template <typename Shape, typename Weights, typename Tokens>
__device__ __forceinline__ void MultiplyTile(SharedSpan<Bf16> memory, int depth,
                                             const Weights& weights, const Tokens& tokens,
                                             TileSums<Shape>& sums) {
  const int stages = (depth + kTileDepth - 1) / kTileDepth;
  for (int next = 0; next < Shape::kStages - 1; ++next) {
    if (next < stages) {
      CopyStage<Shape>(memory, next, next * kTileDepth, depth, weights, tokens);
    }
    CopyAsyncCommit();
  }
  for (int stage = 0; stage < stages; ++stage) {
    CopyAsyncWait<Shape::kStages - 2>();
    BlockBarrier();
    const int next = stage + Shape::kStages - 1;
    if (next < stages) {
      CopyStage<Shape>(memory, next % Shape::kStages, next * kTileDepth, depth, weights, tokens);
    }
    CopyAsyncCommit();
    MultiplyStage<Shape>(memory, stage % Shape::kStages, sums);
  }
  CopyAsyncWait<0>();
  BlockBarrier();
}

// Calls `take(half, tile, i, row, token)` for each of the thread's sums: sums[half][tile][i]
// belongs to this weight row and this token of the block.
template <typename Shape, typename Take>
__device__ __forceinline__ void ForEachSum(Take take) {
  const int lane = ThreadIndex() % kWarpSize;
  SEXTANT_UNROLL
  for (int half = 0; half < 2; ++half) {
    SEXTANT_UNROLL
    for (int tile = 0; tile < Shape::kTokenTiles; ++tile) {
      SEXTANT_UNROLL
      for (int i = 0; i < 4; ++i) {
        take(half, tile, i, Shape::WarpRow() + half * kMmaRows + lane / 4 + i / 2 * 8,
             Shape::WarpToken() + tile * kMmaTokens + lane % 4 * 2 + i % 2);
      }
    }
  }
}

// Puts values, as bf16, into a tile [tokens][stride] of shared memory, from where whole rows can be
// stored. `value(half, tile, i)` is what belongs to sums[half][tile][i], and `column(row)` where a
// weight row of the block lies in the tile's row, or negative.
template <typename Shape, typename Value, typename Column>
__device__ __forceinline__ void PlaceTile(SharedSpan<Bf16> memory, int stride, Value value,
                                          Column column) {
  ForEachSum<Shape>([&](int half, int tile, int i, int row, int token) {
    const int to = column(row);
    if (to >= 0) memory.Store(token * stride + to, NarrowToBf16(value(half, tile, i)));
  });
}

// The sums themselves, weight row by weight row.
template <typename Shape>
__device__ __forceinline__ void PlaceSums(SharedSpan<Bf16> memory, int stride,
                                          const TileSums<Shape>& sums) {
  PlaceTile<Shape>(
      memory, stride, [&](int half, int token_tile, int i) { return sums[half][token_tile][i]; },
      [](int row) { return row; });
}

}  // namespace sextant
