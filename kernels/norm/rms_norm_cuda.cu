#include <cmath>

#include "kernels/cuda/arguments.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/vector.cuh"
#include "kernels/norm/rms_norm_cuda.h"

namespace sextant {
namespace {

constexpr int kMostThreads = 256;
constexpr int kVectors = 4;  // that a thread holds
constexpr std::int64_t kMostCols = std::int64_t{kMostThreads} * kVectors * kBf16PerWords;

int Threads(std::int64_t cols) {
  const std::int64_t warps = DivideUp(DivideUp(cols, kBf16PerWords), kWarpSize);
  return static_cast<int>(warps * kWarpSize < kMostThreads ? warps * kWarpSize : kMostThreads);
}

__global__ void __launch_bounds__(kMostThreads) RmsNormKernel(RmsNormCudaArgs args) {
  const std::int64_t row = BlockIndexX();
  if (args.live_rows != nullptr && row >= *args.live_rows) return;
  Bf16* h = args.h + row * args.h_stride;
  const Bf16* delta = args.delta + (args.delta != nullptr ? row * args.delta_stride : 0);
  Floats8 held[kVectors];
  float squares = 0.0F;
  SEXTANT_UNROLL
  for (int n = 0; n < kVectors; ++n) {
    const std::int64_t at = (std::int64_t{n} * ThreadCount() + ThreadIndex()) * kBf16PerWords;
    if (at >= args.cols) break;
    held[n] = Unpack(LoadWords(h + at));
    if (args.delta != nullptr) {
      const Floats8 more = Unpack(LoadWords(delta + at));
      for (int i = 0; i < kBf16PerWords; ++i) held[n].v[i] += more.v[i];
      const Words4 sum = Pack(held[n]);
      StoreWords(h + at, sum);
      held[n] = Unpack(sum);
    }
    for (int i = 0; i < kBf16PerWords; ++i) squares = fmaf(held[n].v[i], held[n].v[i], squares);
  }
  const float sum = BlockSum(squares, BlockShared<float>(0, kReduceSlots));
  const float scale = 1.0F / sqrtf(sum / static_cast<float>(args.cols) + args.eps);
  SEXTANT_UNROLL
  for (int n = 0; n < kVectors; ++n) {
    const std::int64_t at = (std::int64_t{n} * ThreadCount() + ThreadIndex()) * kBf16PerWords;
    if (at >= args.cols) break;
    const Floats8 weight = Unpack(LoadWords(args.weight + at));
    Floats8 y;
    for (int i = 0; i < kBf16PerWords; ++i) {
      y.v[i] = RoundedToBf16(held[n].v[i] * scale) * weight.v[i];
    }
    StoreWords(args.y + row * args.y_stride + at, Pack(y));
  }
}

}  // namespace

DeviceStatus RmsNormCuda(DeviceStream stream, const RmsNormCudaArgs& args) {
  if (args.cols < kBf16PerWords || args.cols > kMostCols || args.cols % kBf16PerWords != 0) {
    return RefuseLaunch("RMSNorm: rows must have 8 to 8192 values, a multiple of 8");
  }
  if (!AreVectorRows(args.h, args.h_stride, args.cols) ||
      !AreVectorRows(args.y, args.y_stride, args.cols) || !IsAligned(args.weight) ||
      (args.delta != nullptr && !AreVectorRows(args.delta, args.delta_stride, args.cols))) {
    return RefuseLaunch("RMSNorm: rows must be aligned to 16 bytes, and not overlap");
  }
  if (args.rows == 0) return {};
  return Launch(
      stream,
      {.blocks_x = args.rows, .threads = Threads(args.cols), .shared_bytes = kReduceBytes<float>},
      RmsNormKernel, args);
}

}  // namespace sextant
