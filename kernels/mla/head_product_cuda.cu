#include "kernels/cuda/arguments.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/tile_product.cuh"
#include "kernels/mla/head_product_cuda.h"

namespace sextant {
namespace {

// One row of a decode step leaves little to do: blocks are small, so that there are many.
using FewTokens = TileShape<1, 1, 2, 4>;
using ManyTokens = TileShape<4, 1, 8, 4>;
constexpr std::int64_t kFewRows = 32;

// Weights meet each half of a row of two.
template <int kCopies>
struct RepeatedRows {
  CopiedRows<kCopies> rows;
  int depth;

  __device__ const Bf16* At(int copy, int k) const {
    return rows.At(copy, k < depth ? k : k - depth);
  }
};

template <typename Shape>
__global__ void __launch_bounds__(Shape::kThreads) HeadProductKernel(HeadProductCudaArgs args) {
  std::int64_t rows = args.rows;
  if (args.live_rows != nullptr && *args.live_rows < rows) rows = *args.live_rows;
  const int head = BlockIndexY() % args.num_heads;
  const std::int64_t first_row = std::int64_t{BlockIndexY()} / args.num_heads * Shape::kTokens;
  if (first_row >= rows) return;
  const int first_output = BlockIndexX() * Shape::kRows;

  RepeatedRows<Shape::kWeightCopies> weights;
  weights.depth = args.depth;
  weights.rows.matrix[0] = args.weight + head * args.weight_head_stride;
  SEXTANT_UNROLL
  for (int i = 0; i < Shape::kWeightCopies; ++i) {
    const int output = first_output + Shape::CopyRow(i);
    weights.rows.row[i] = output < args.outputs ? output * args.depth : kNoRow;
  }
  CopiedRows<Shape::kTokenCopies> tokens;
  tokens.matrix[0] = args.x + first_row * args.x_row_stride + head * args.x_head_stride;
  SEXTANT_UNROLL
  for (int i = 0; i < Shape::kTokenCopies; ++i) {
    const int row = Shape::CopyRow(i);
    tokens.row[i] = first_row + row < rows ? row * static_cast<int>(args.x_row_stride) : kNoRow;
  }
  const auto memory = BlockShared<Bf16>(0, Shape::kSharedElements);
  TileSums<Shape> sums = {};
  MultiplyTile<Shape>(memory, args.two_halves ? 2 * args.depth : args.depth, weights, tokens, sums);

  constexpr int kStride = Shape::kRows + kBf16PerWords;
  constexpr int kChunks = Shape::kRows / kBf16PerWords;
  PlaceSums<Shape>(memory, kStride, sums);
  BlockBarrier();
  for (int i = ThreadIndex(); i < Shape::kTokens * kChunks; i += Shape::kThreads) {
    const std::int64_t row = first_row + i / kChunks;
    const int at = i % kChunks * kBf16PerWords;
    if (row >= rows || first_output + at >= args.outputs) continue;
    StoreWords(args.y + row * args.y_row_stride + head * args.y_head_stride + first_output + at,
               memory.LoadWords(i / kChunks * kStride + at));
  }
}

template <typename Shape>
DeviceStatus Run(DeviceStream stream, const HeadProductCudaArgs& args) {
  return Launch(stream,
                {.blocks_x = DivideUp(args.outputs, Shape::kRows),
                 .blocks_y = DivideUp(args.rows, Shape::kTokens) * args.num_heads,
                 .threads = Shape::kThreads,
                 .shared_bytes = Shape::kSharedBytes},
                HeadProductKernel<Shape>, args);
}

}  // namespace

DeviceStatus HeadProductCuda(DeviceStream stream, const HeadProductCudaArgs& args) {
  const auto is_width = [](std::int64_t width) {
    return width >= kBf16PerWords && width % kBf16PerWords == 0;
  };
  const std::int64_t width = args.two_halves ? 2 * args.depth : args.depth;
  if (!is_width(args.outputs) || !is_width(args.depth) || args.num_heads < 1) {
    return RefuseLaunch("HeadProduct: outputs and depth must be multiples of 8");
  }
  if (!AreVectorRows(args.x, args.x_row_stride, width) ||
      !AreVectorRows(args.x, args.x_head_stride, width) ||
      !AreVectorRows(args.y, args.y_row_stride, args.outputs) ||
      !AreVectorRows(args.y, args.y_head_stride, args.outputs) ||
      !AreVectorRows(args.weight, args.weight_head_stride, args.depth)) {
    return RefuseLaunch("HeadProduct: rows must be aligned to 16 bytes, and not overlap");
  }
  if (args.rows == 0) return {};
  return args.rows <= kFewRows ? Run<FewTokens>(stream, args) : Run<ManyTokens>(stream, args);
}

}  // namespace sextant
