#include <limits>

#include "kernels/cuda/arguments.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/tile_product.cuh"
#include "kernels/feed_forward/expert_tile.cuh"
#include "kernels/feed_forward/grouped_feed_forward_cuda.h"
#include "kernels/feed_forward/silu.cuh"

namespace sextant {
namespace {

constexpr std::int32_t kMostExperts = 256;
using FewTokens = TileShape<4, 1, 2, 4>;
using SomeTokens = TileShape<4, 1, 8, 4>;
using ManyTokens = TileShape<4, 2, 8, 3>;
constexpr int kTileWeightRows = FewTokens::kRows;  // and of the others
// Of a block's weight rows one half are gate's and the other up's, 16 and 16 of each warp, so that
// a thread has both values of an output.
constexpr int kGatedOutputs = kTileWeightRows / 2;

// Rows of 8-value chunks from the tile in shared memory to places begin, begin + 1, ... of `to`.
template <typename Shape>
__device__ void StoreTile(SharedSpan<Bf16> memory, int stride, const ExpertTile& tile,
                          int first_output, int outputs, int all_outputs, Bf16* to) {
  const int chunks = outputs / kBf16PerWords;
  for (int i = ThreadIndex(); i < tile.count * chunks; i += Shape::kThreads) {
    const int token = i / chunks;
    const int output = i % chunks * kBf16PerWords;
    if (first_output + output >= all_outputs) continue;
    StoreWords(to + (std::int64_t{tile.begin} + token) * all_outputs + first_output + output,
               memory.LoadWords(token * stride + output));
  }
}

template <typename Shape>
__global__ void __launch_bounds__(Shape::kThreads, kBlocksAtOnce)
    GateUpKernel(GroupedFeedForwardCudaArgs args) {
  const ExpertTile tile =
      FindExpertTile(args.offsets, args.num_experts, BlockIndexY(), Shape::kTokens);
  if (tile.expert < 0) return;
  const ExpertWeightsCuda expert = args.experts[tile.expert];
  const int first_output = BlockIndexX() * kGatedOutputs;

  // A thread's copies are all of gate or all of up, or take turns.
  constexpr int kMatrices = Shape::kRowStep % kTileWarpRows == 0 ? 1 : 2;
  CopiedRows<Shape::kWeightCopies, kMatrices> weights;
  SEXTANT_UNROLL
  for (int i = 0; i < kMatrices; ++i) {
    weights.matrix[i] = Shape::CopyRow(i) % kTileWarpRows < kMmaRows ? expert.gate : expert.up;
  }
  SEXTANT_UNROLL
  for (int i = 0; i < Shape::kWeightCopies; ++i) {
    const int row = Shape::CopyRow(i);
    const int output = first_output + row / kTileWarpRows * kMmaRows + row % kMmaRows;
    weights.row[i] = output < args.width ? output * args.hidden : kNoRow;
  }
  CopiedRows<Shape::kTokenCopies> tokens;
  tokens.matrix[0] = args.x;
  SEXTANT_UNROLL
  for (int i = 0; i < Shape::kTokenCopies; ++i) {
    const int token = Shape::CopyRow(i);
    tokens.row[i] = kNoRow;
    if (token < tile.count) {
      const int place = tile.begin + token;
      tokens.row[i] = (args.source_rows == nullptr ? place : args.source_rows[place]) * args.hidden;
    }
  }
  const auto memory = BlockShared<Bf16>(0, Shape::kSharedElements);
  TileSums<Shape> sums = {};
  MultiplyTile<Shape>(memory, args.hidden, weights, tokens, sums);

  constexpr int kStride = kGatedOutputs + kBf16PerWords;
  // The first half of a warp's rows has the gate, and the thread both values.
  PlaceTile<Shape>(
      memory, kStride,
      [&](int half, int token_tile, int i) {
        return half == 1 ? 0.0F
                         : SiluProduct(RoundedToBf16(sums[0][token_tile][i]),
                                       RoundedToBf16(sums[1][token_tile][i]));
      },
      [](int row) {
        if (row % kTileWarpRows >= kMmaRows) return -1;
        return row / kTileWarpRows * kMmaRows + row % kMmaRows;
      });
  BlockBarrier();
  StoreTile<Shape>(memory, kStride, tile, first_output, kGatedOutputs, args.width, args.gated);
}

template <typename Shape>
__global__ void __launch_bounds__(Shape::kThreads, kBlocksAtOnce)
    DownKernel(GroupedFeedForwardCudaArgs args) {
  const ExpertTile tile =
      FindExpertTile(args.offsets, args.num_experts, BlockIndexY(), Shape::kTokens);
  if (tile.expert < 0) return;
  const int first_output = BlockIndexX() * kTileWeightRows;

  CopiedRows<Shape::kWeightCopies> weights;
  weights.matrix[0] = args.experts[tile.expert].down;
  SEXTANT_UNROLL
  for (int i = 0; i < Shape::kWeightCopies; ++i) {
    const int output = first_output + Shape::CopyRow(i);
    weights.row[i] = output < args.hidden ? output * args.width : kNoRow;
  }
  CopiedRows<Shape::kTokenCopies> tokens;
  tokens.matrix[0] = args.gated;
  SEXTANT_UNROLL
  for (int i = 0; i < Shape::kTokenCopies; ++i) {
    const int token = Shape::CopyRow(i);
    tokens.row[i] = token < tile.count ? (tile.begin + token) * args.width : kNoRow;
  }
  const auto memory = BlockShared<Bf16>(0, Shape::kSharedElements);
  TileSums<Shape> sums = {};
  MultiplyTile<Shape>(memory, args.width, weights, tokens, sums);

  constexpr int kStride = kTileWeightRows + kBf16PerWords;
  PlaceSums<Shape>(memory, kStride, sums);
  BlockBarrier();
  StoreTile<Shape>(memory, kStride, tile, first_output, kTileWeightRows, args.hidden, args.y);
}

template <typename Shape>
DeviceStatus Run(DeviceStream stream, const GroupedFeedForwardCudaArgs& args) {
  static_assert(Shape::kTokens * (kTileWeightRows + kBf16PerWords) <= Shape::kSharedElements);
  const std::int64_t partial =
      args.places < args.num_experts ? args.places : std::int64_t{args.num_experts};
  LaunchShape shape{.blocks_x = DivideUp(args.width, kGatedOutputs),
                    .blocks_y = partial + args.places / Shape::kTokens,
                    .threads = Shape::kThreads,
                    .shared_bytes = Shape::kSharedBytes};
  RETURN_IF_DEVICE_FAILED(Launch(stream, shape, GateUpKernel<Shape>, args));
  shape.blocks_x = DivideUp(args.hidden, kTileWeightRows);
  return Launch(stream, shape, DownKernel<Shape>, args);
}

}  // namespace

int FeedForwardTokens(std::int64_t places, std::int32_t num_experts) {
  if (places <= std::int64_t{num_experts} * FewTokens::kTokens / 2) return FewTokens::kTokens;
  if (places <= std::int64_t{num_experts} * SomeTokens::kTokens / 2) return SomeTokens::kTokens;
  return ManyTokens::kTokens;
}

DeviceStatus GroupedFeedForwardCuda(DeviceStream stream, const GroupedFeedForwardCudaArgs& args) {
  if (args.num_experts < 1 || args.num_experts > kMostExperts || args.hidden < kBf16PerWords ||
      args.hidden % kBf16PerWords != 0 || args.width < kBf16PerWords ||
      args.width % kBf16PerWords != 0 || args.places < 0) {
    return RefuseLaunch("feed-forward: 1 to 256 experts, hidden and width multiples of 8");
  }
  constexpr std::int64_t kMostValues = std::numeric_limits<std::int32_t>::max();
  if (args.places * args.width > kMostValues ||
      std::int64_t{args.hidden} * args.width > kMostValues) {
    return RefuseLaunch("feed-forward: more than 2^31 values in one matrix");
  }
  if (!IsAligned(args.x) || !IsAligned(args.gated) || !IsAligned(args.y)) {
    return RefuseLaunch("feed-forward: rows must be aligned to 16 bytes");
  }
  if (args.places == 0) return {};
  switch (FeedForwardTokens(args.places, args.num_experts)) {
    case FewTokens::kTokens:
      return Run<FewTokens>(stream, args);
    case SomeTokens::kTokens:
      return Run<SomeTokens>(stream, args);
    default:
      return Run<ManyTokens>(stream, args);
  }
}

}  // namespace sextant
