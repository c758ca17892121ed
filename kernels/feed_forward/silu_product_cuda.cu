#include "kernels/cuda/arguments.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/vector.cuh"
#include "kernels/feed_forward/silu.cuh"
#include "kernels/feed_forward/silu_product_cuda.h"

namespace sextant {
namespace {

constexpr int kThreads = 128;

__global__ void __launch_bounds__(kThreads) SiluProductKernel(SiluProductCudaArgs args) {
  const std::int64_t row = BlockIndexX();
  if (args.live_rows != nullptr && row >= *args.live_rows) return;
  const std::int64_t at = (std::int64_t{BlockIndexY()} * kThreads + ThreadIndex()) * kBf16PerWords;
  if (at >= args.width) return;
  const Bf16* x = args.x + row * args.x_stride + at;
  const Floats8 gate = Unpack(LoadWords(x));
  const Floats8 up = Unpack(LoadWords(x + args.width));
  Floats8 y;
  for (int i = 0; i < kBf16PerWords; ++i) y.v[i] = SiluProduct(gate.v[i], up.v[i]);
  StoreWords(args.y + row * args.y_stride + at, Pack(y));
}

}  // namespace

DeviceStatus SiluProductCuda(DeviceStream stream, const SiluProductCudaArgs& args) {
  if (args.width < kBf16PerWords || args.width % kBf16PerWords != 0) {
    return RefuseLaunch("SiluProduct: the width must be a multiple of 8");
  }
  if (!AreVectorRows(args.x, args.x_stride, 2 * args.width) ||
      !AreVectorRows(args.y, args.y_stride, args.width)) {
    return RefuseLaunch("SiluProduct: rows must be aligned to 16 bytes, and not overlap");
  }
  if (args.rows == 0) return {};
  return Launch(stream,
                {.blocks_x = args.rows,
                 .blocks_y = DivideUp(args.width, std::int64_t{kThreads} * kBf16PerWords),
                 .threads = kThreads},
                SiluProductKernel, args);
}

}  // namespace sextant
