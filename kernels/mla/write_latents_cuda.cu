#include <cmath>

#include "kernels/cuda/arguments.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/vector.cuh"
#include "kernels/mla/write_latents_cuda.h"

namespace sextant {
namespace {

constexpr int kThreads = 128;
constexpr std::int64_t kMostRank = std::int64_t{kThreads} * kBf16PerWords;
constexpr std::int64_t kMostRope = 256;
constexpr int kPairsPerWords = kBf16PerWords / 2;

// Four pairs by their angles; products and sums are rounded, as DeepSeek's code in bf16 does.
__device__ Words4 Rotated(const Words4& words, const Bf16* cos, const Bf16* sin) {
  const Floats8 x = Unpack(words);
  Floats8 y;
  for (int j = 0; j < kPairsPerWords; ++j) {
    const float c = Widen(cos[j]);
    const float s = Widen(sin[j]);
    const float x0 = x.v[2 * j];
    const float x1 = x.v[2 * j + 1];
    y.v[2 * j] = RoundedToBf16(x0 * c) - RoundedToBf16(x1 * s);
    y.v[2 * j + 1] = RoundedToBf16(x1 * c) + RoundedToBf16(x0 * s);
  }
  return Pack(y);
}

__device__ void RotateQueries(const WriteLatentsCudaArgs& args, std::int64_t row, const Bf16* cos,
                              const Bf16* sin) {
  const int per_head = static_cast<int>(args.rope) / kBf16PerWords;
  const int vectors = static_cast<int>(args.num_heads) * per_head;
  for (int i = ThreadIndex(); i < vectors; i += kThreads) {
    const int part = i % per_head;
    Bf16* x = args.q + row * args.q_stride + (i / per_head) * (args.nope + args.rope) + args.nope +
              part * kBf16PerWords;
    StoreWords(x, Rotated(LoadWords(x), cos + part * kPairsPerWords, sin + part * kPairsPerWords));
  }
}

__global__ void __launch_bounds__(kThreads) WriteLatentsKernel(WriteLatentsCudaArgs args) {
  const std::int64_t row = BlockIndexX();
  if (args.live_rows != nullptr && row >= *args.live_rows) return;
  const std::int64_t angles = args.positions[row] * (args.rope / 2);
  const Bf16* cos = args.cos + angles;
  const Bf16* sin = args.sin + angles;
  RotateQueries(args, row, cos, sin);
  const std::int64_t slot = args.slots[row];
  if (slot < 0) return;

  const Bf16* kva = args.kva + row * args.kva_stride;
  Bf16* to = args.cache + slot * (args.rank + args.rope);
  const int at = ThreadIndex() * kBf16PerWords;
  Floats8 x = {};
  if (at < args.rank) x = Unpack(LoadWords(kva + at));
  float squares = 0.0F;
  for (int i = 0; i < kBf16PerWords; ++i) squares = fmaf(x.v[i], x.v[i], squares);
  const float sum = BlockSum(squares, BlockShared<float>(0, kReduceSlots));
  const float scale = 1.0F / sqrtf(sum / static_cast<float>(args.rank) + args.eps);
  if (at < args.rank) {
    const Floats8 weight = Unpack(LoadWords(args.norm_weight + at));
    for (int i = 0; i < kBf16PerWords; ++i) x.v[i] = RoundedToBf16(x.v[i] * scale) * weight.v[i];
    StoreWords(to + at, Pack(x));
  }
  if (at < args.rope) {
    const int pair = ThreadIndex() * kPairsPerWords;
    StoreWords(to + args.rank + at,
               Rotated(LoadWords(kva + args.rank + at), cos + pair, sin + pair));
  }
}

}  // namespace

DeviceStatus WriteLatentsCuda(DeviceStream stream, const WriteLatentsCudaArgs& args) {
  const auto is_width = [](std::int64_t width, std::int64_t most) {
    return width >= kBf16PerWords && width <= most && width % kBf16PerWords == 0;
  };
  if (!is_width(args.rank, kMostRank) || !is_width(args.rope, kMostRope) ||
      args.nope % kBf16PerWords != 0 || args.num_heads < 1) {
    return RefuseLaunch(
        "WriteLatents: rank, nope and rope must be multiples of 8, within 1024 and 256");
  }
  if (!AreVectorRows(args.q, args.q_stride, args.num_heads * (args.nope + args.rope)) ||
      !AreVectorRows(args.kva, args.kva_stride, args.rank + args.rope) ||
      !IsAligned(args.norm_weight) || !IsAligned(args.cache)) {
    return RefuseLaunch("WriteLatents: rows must be aligned to 16 bytes, and not overlap");
  }
  if (args.rows == 0) return {};
  return Launch(stream,
                {.blocks_x = args.rows, .threads = kThreads, .shared_bytes = kReduceBytes<float>},
                WriteLatentsKernel, args);
}

}  // namespace sextant
