#include <cmath>

#include "kernels/cuda/device.h"
#include "kernels/cuda/vector.cuh"
#include "kernels/mla/merge_splits.cuh"

namespace sextant {
namespace {

constexpr int kCols = 4;  // of a thread
constexpr int kThreads = kLatentRank / kCols;

__global__ void __launch_bounds__(kThreads) MergeSplitsKernel(MlaDecodeCudaArgs args) {
  const std::int64_t row = BlockIndexX();
  if (args.live_rows != nullptr && row >= *args.live_rows) return;
  const int head = BlockIndexY();
  const int begin = args.plan.offsets[row];
  const int end = args.plan.offsets[row + 1];
  const auto place = [&](int split) { return std::int64_t{split} * args.num_heads + head; };
  float largest = -INFINITY;
  for (int split = begin; split < end; ++split) {
    largest = fmaxf(largest, args.partial_state[2 * place(split)]);
  }
  const int col = ThreadIndex() * kCols;
  float sum = 0.0F;
  float u[kCols] = {};
  for (int split = begin; split < end; ++split) {
    const float weight = expf(args.partial_state[2 * place(split)] - largest);
    sum = fmaf(weight, args.partial_state[2 * place(split) + 1], sum);
    const Words4 part = LoadWords(args.partial + place(split) * kLatentRank + col);
    for (int i = 0; i < kCols; ++i) u[i] = fmaf(weight, FloatFromBits(part.w[i]), u[i]);
  }
  const float inverse = 1.0F / sum;
  Bf16* to = args.u + (row * args.num_heads + head) * 2 * kLatentRank + col;
  for (int i = 0; i < kCols; ++i) {
    const float value = u[i] * inverse;
    const Bf16 upper = NarrowToBf16(value);
    to[i] = upper;
    to[kLatentRank + i] = NarrowToBf16(value - Widen(upper));
  }
}

}  // namespace

DeviceStatus MergeSplits(DeviceStream stream, const MlaDecodeCudaArgs& args) {
  return Launch(stream, {.blocks_x = args.rows, .blocks_y = args.num_heads, .threads = kThreads},
                MergeSplitsKernel, args);
}

}  // namespace sextant
