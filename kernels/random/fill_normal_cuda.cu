#include <cmath>

#include "kernels/cuda/arguments.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/vector.cuh"
#include "kernels/random/fill_normal_cuda.h"
#include "kernels/random/philox.cuh"

namespace sextant {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kValuesOfADraw = 4;
constexpr float kTwoPi = 6.28318531F;

// In (0, 1].
__device__ float UniformOf(std::uint32_t bits) {
  return fmaf(static_cast<float>(bits), 0x1p-32F, 0x1p-33F);
}

__global__ void __launch_bounds__(kThreads) FillNormalKernel(FillNormalCudaArgs args) {
  const std::int64_t at = (std::int64_t{BlockIndexX()} * kThreads + ThreadIndex()) * kBf16PerWords;
  if (at >= args.count) return;
  Floats8 values;
  for (int draw = 0; draw < 2; ++draw) {
    const PhiloxWords bits =
        PhiloxAt(args.seed, static_cast<std::uint64_t>(at / kValuesOfADraw + draw));
    for (int pair = 0; pair < 2; ++pair) {
      const float radius = args.deviation * sqrtf(-2.0F * logf(UniformOf(bits.w[2 * pair])));
      const float angle = kTwoPi * UniformOf(bits.w[2 * pair + 1]);
      values.v[4 * draw + 2 * pair] = radius * cosf(angle);
      values.v[4 * draw + 2 * pair + 1] = radius * sinf(angle);
    }
  }
  StoreWords(args.values + at, Pack(values));
}

}  // namespace

DeviceStatus FillNormalCuda(DeviceStream stream, const FillNormalCudaArgs& args) {
  if (!IsAligned(args.values) || args.count < 0 || args.count % kBf16PerWords != 0) {
    return RefuseLaunch("FillNormal: the count must be a multiple of 8, aligned to 16 bytes");
  }
  if (args.count == 0) return {};
  return Launch(stream,
                {.blocks_x = DivideUp(args.count, std::int64_t{kThreads} * kBf16PerWords),
                 .threads = kThreads},
                FillNormalKernel, args);
}

}  // namespace sextant
