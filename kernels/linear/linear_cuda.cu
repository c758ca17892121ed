#include <limits>

#include "kernels/cuda/arguments.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/tile_product.cuh"
#include "kernels/linear/linear_cuda.h"
#include "kernels/linear/linear_tile_cuda.h"

namespace sextant {
namespace {

// Few rows are bound by memory, which answers after 0.6 us or so: at 4.8 TB/s 2.9 MB are then under
// way, 22 KB for each of 132 multiprocessors. A block of 32 outputs has 4 KB of weights in a stage,
// and 7 of its 8 stages under way: 28 KB. 2048 outputs are 64 such blocks; where there are more, up
// to 4 share a multiprocessor.
using FewOutputs = TileShape<1, 1, 2, 8>;
// Where 128 outputs a block leave blocks enough, rows are read a quarter as often.
using ManyOutputs = TileShape<4, 1, 2, 4>;
using SomeRows = TileShape<2, 2, 4, 4>;
using ManyRows = TileShape<4, 2, 8, 3>;

constexpr std::int64_t kFewRows = 32;
constexpr std::int64_t kMostOfSomeRows = 64;
// Of an H100 or H200; an A100 has 108.
constexpr std::int64_t kMultiprocessors = 132;
constexpr std::int64_t kMostValues = std::numeric_limits<std::int32_t>::max();

// Rows are the faster index of blocks: those that meet the same weights run together.
template <typename Shape>
__global__ void __launch_bounds__(Shape::kThreads, kBlocksAtOnce)
    LinearKernel(LinearCudaArgs args) {
  std::int64_t rows = args.rows;
  const int row_tiles = static_cast<int>((rows + Shape::kTokens - 1) / Shape::kTokens);
  if (args.live_rows != nullptr && *args.live_rows < rows) rows = *args.live_rows;
  const std::int64_t first_row = std::int64_t{BlockIndexX() % row_tiles} * Shape::kTokens;
  if (first_row >= rows) return;
  const int first_output = BlockIndexX() / row_tiles * Shape::kRows;
  const int depth = static_cast<int>(args.depth);

  CopiedRows<Shape::kWeightCopies> weights;
  weights.matrix[0] = args.weight;
  SEXTANT_UNROLL
  for (int i = 0; i < Shape::kWeightCopies; ++i) {
    const int output = first_output + Shape::CopyRow(i);
    weights.row[i] = output < args.outputs ? output * depth : kNoRow;
  }
  CopiedRows<Shape::kTokenCopies> tokens;
  tokens.matrix[0] = args.x;
  SEXTANT_UNROLL
  for (int i = 0; i < Shape::kTokenCopies; ++i) {
    const std::int64_t row = first_row + Shape::CopyRow(i);
    tokens.row[i] = kNoRow;
    if (row < rows) {
      const std::int64_t from = args.x_rows == nullptr ? row : args.x_rows[row];
      tokens.row[i] = static_cast<std::int32_t>(from * args.x_stride);
    }
  }
  const auto memory = BlockShared<Bf16>(0, Shape::kSharedElements);
  TileSums<Shape> sums = {};
  MultiplyTile<Shape>(memory, depth, weights, tokens, sums);

  if (args.y == nullptr) {
    ForEachSum<Shape>([&](int half, int tile, int i, int output, int token) {
      if (first_row + token < rows && first_output + output < args.outputs) {
        args.y_f32[(first_row + token) * args.y_stride + first_output + output] =
            sums[half][tile][i];
      }
    });
    return;
  }
  constexpr int kStride = Shape::kRows + kBf16PerWords;
  constexpr int kChunks = Shape::kRows / kBf16PerWords;
  static_assert(Shape::kTokens * kStride <= Shape::kSharedElements);
  PlaceSums<Shape>(memory, kStride, sums);
  BlockBarrier();
  for (int i = ThreadIndex(); i < Shape::kTokens * kChunks; i += Shape::kThreads) {
    const std::int64_t row = first_row + i / kChunks;
    const int at = i % kChunks * kBf16PerWords;
    if (row >= rows || first_output + at >= args.outputs) continue;
    StoreWords(args.y + row * args.y_stride + first_output + at,
               memory.LoadWords(i / kChunks * kStride + at));
  }
}

template <typename Shape>
DeviceStatus Run(DeviceStream stream, const LinearCudaArgs& args) {
  return Launch(
      stream,
      {.blocks_x = DivideUp(args.rows, Shape::kTokens) * DivideUp(args.outputs, Shape::kRows),
       .threads = Shape::kThreads,
       .shared_bytes = Shape::kSharedBytes},
      LinearKernel<Shape>, args);
}

bool AreOutputs(const LinearCudaArgs& args) {
  if (args.y != nullptr) {
    return args.y_f32 == nullptr && args.outputs % kBf16PerWords == 0 &&
           AreVectorRows(args.y, args.y_stride, args.outputs);
  }
  constexpr std::int64_t kFloatsPerWords = 4;
  return IsAligned(args.y_f32) && args.outputs % kFloatsPerWords == 0 &&
         args.y_stride >= args.outputs && args.y_stride % kFloatsPerWords == 0;
}

DeviceStatus Check(const LinearCudaArgs& args) {
  if (args.outputs < 1 || args.depth < kBf16PerWords || args.depth % kBf16PerWords != 0 ||
      args.rows < 0) {
    return RefuseLaunch("Linear: needs outputs, a depth that is a multiple of 8, and rows >= 0");
  }
  if (!AreVectorRows(args.x, args.x_stride, args.depth) || !IsAligned(args.weight)) {
    return RefuseLaunch("Linear: rows of x and the weights must be aligned to 16 bytes");
  }
  if (!AreOutputs(args)) {
    return RefuseLaunch(
        "Linear: needs one of y and y_f32, its rows aligned to 16 bytes, its outputs a multiple of "
        "8 (y) or 4 (y_f32)");
  }
  if (args.outputs > kMostValues / args.depth || args.rows > kMostValues / args.x_stride) {
    return RefuseLaunch("Linear: more than 2^31 values in one matrix");
  }
  const std::int64_t most_blocks =
      DivideUp(args.rows, FewOutputs::kTokens) * DivideUp(args.outputs, FewOutputs::kRows);
  if (most_blocks > kMostValues) {
    return RefuseLaunch("Linear: more than 2^31 blocks");
  }
  return {};
}

}  // namespace

LinearTile ChooseLinearTile(std::int64_t rows, std::int64_t outputs) {
  if (rows <= kFewRows) {
    const bool are_enough = outputs >= 2 * kMultiprocessors * ManyOutputs::kRows;
    return are_enough ? LinearTile::k128x16 : LinearTile::k32x16;
  }
  if (rows <= kMostOfSomeRows) return LinearTile::k64x64;
  const std::int64_t blocks =
      DivideUp(rows, ManyRows::kTokens) * DivideUp(outputs, ManyRows::kRows);
  return blocks >= kMultiprocessors ? LinearTile::k128x128 : LinearTile::k64x64;
}

DeviceStatus LinearCudaWithTile(DeviceStream stream, const LinearCudaArgs& args, LinearTile tile) {
  RETURN_IF_DEVICE_FAILED(Check(args));
  if (args.rows == 0) return {};
  switch (tile) {
    case LinearTile::k32x16:
      return Run<FewOutputs>(stream, args);
    case LinearTile::k128x16:
      return Run<ManyOutputs>(stream, args);
    case LinearTile::k64x64:
      return Run<SomeRows>(stream, args);
    case LinearTile::k128x128:
      return Run<ManyRows>(stream, args);
  }
  return RefuseLaunch("Linear: there is no such tile");
}

DeviceStatus LinearCuda(DeviceStream stream, const LinearCudaArgs& args) {
  return LinearCudaWithTile(stream, args, ChooseLinearTile(args.rows, args.outputs));
}

}  // namespace sextant
