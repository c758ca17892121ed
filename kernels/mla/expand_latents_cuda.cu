#include "kernels/cuda/device.h"
#include "kernels/cuda/tile_product.cuh"
#include "kernels/mla/latent_rows.cuh"
#include "kernels/mla/prefill_steps.cuh"

namespace sextant {
namespace {

using Shape = TileShape<4, 2, 8, 3>;

__global__ void __launch_bounds__(Shape::kThreads, kBlocksAtOnce)
    ExpandLatentsKernel(MlaPrefillCudaArgs args, PrefillSpan span) {
  const std::int64_t outputs = std::int64_t{args.num_heads} * (kPrefillNope + kPrefillV);
  const int first_output = BlockIndexX() * Shape::kRows;
  const int first_key = span.begin + BlockIndexY() * Shape::kTokens;
  CopiedRows<Shape::kWeightCopies> weights;
  weights.matrix[0] = args.kv_b;
  SEXTANT_UNROLL
  for (int i = 0; i < Shape::kWeightCopies; ++i) {
    const int output = first_output + Shape::CopyRow(i);
    weights.row[i] = output < outputs ? output * kLatentRank : kNoRow;
  }
  CopiedRows<Shape::kTokenCopies> keys;
  keys.matrix[0] = args.cache;
  SEXTANT_UNROLL
  for (int i = 0; i < Shape::kTokenCopies; ++i) {
    const int key = first_key + Shape::CopyRow(i);
    keys.row[i] = kNoRow;
    if (key < span.end) {
      keys.row[i] = SlotOf(args.block_table, args.block_tokens, key) * kLatentWidth;
    }
  }
  const auto memory = BlockShared<Bf16>(0, Shape::kSharedElements);
  TileSums<Shape> sums = {};
  MultiplyTile<Shape>(memory, kLatentRank, weights, keys, sums);

  constexpr int kStride = Shape::kRows + kBf16PerWords;
  constexpr int kChunks = Shape::kRows / kBf16PerWords;
  PlaceSums<Shape>(memory, kStride, sums);
  BlockBarrier();
  for (int i = ThreadIndex(); i < Shape::kTokens * kChunks; i += Shape::kThreads) {
    const int key = first_key + i / kChunks;
    const int output = first_output + i % kChunks * kBf16PerWords;
    if (key >= span.end || output >= outputs) continue;
    StoreWords(args.expanded + std::int64_t{key - span.begin} * outputs + output,
               memory.LoadWords(i / kChunks * kStride + i % kChunks * kBf16PerWords));
  }
}

}  // namespace

DeviceStatus ExpandLatents(DeviceStream stream, const MlaPrefillCudaArgs& args, PrefillSpan span) {
  const std::int64_t outputs = std::int64_t{args.num_heads} * (kPrefillNope + kPrefillV);
  return Launch(stream,
                {.blocks_x = DivideUp(outputs, Shape::kRows),
                 .blocks_y = DivideUp(span.end - span.begin, Shape::kTokens),
                 .threads = Shape::kThreads,
                 .shared_bytes = Shape::kSharedBytes},
                ExpandLatentsKernel, args, span);
}

}  // namespace sextant
