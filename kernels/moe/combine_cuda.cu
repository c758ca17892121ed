#include <cmath>

#include "kernels/cuda/arguments.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/vector.cuh"
#include "kernels/moe/combine_cuda.h"

namespace sextant {
namespace {

constexpr int kThreads = 128;

__device__ void AddRounded(Floats8& y, const Bf16* more) {
  const Floats8 x = Unpack(LoadWords(more));
  for (int i = 0; i < kBf16PerWords; ++i) y.v[i] = RoundedToBf16(y.v[i]) + x.v[i];
}

__global__ void __launch_bounds__(kThreads) CombineKernel(CombineCudaArgs args) {
  const std::int64_t row = BlockIndexX();
  if (args.live_rows != nullptr && row >= *args.live_rows) return;
  const std::int64_t at = (std::int64_t{BlockIndexY()} * kThreads + ThreadIndex()) * kBf16PerWords;
  if (at >= args.hidden) return;
  Floats8 y = {};
  for (int k = 0; k < args.chosen; ++k) {
    const std::int64_t place = args.places[row * args.chosen + k];
    const float weight = args.weights[row * args.chosen + k];
    const Floats8 out = Unpack(LoadWords(args.expert_out + place * args.hidden + at));
    for (int i = 0; i < kBf16PerWords; ++i) y.v[i] = fmaf(weight, out.v[i], y.v[i]);
  }
  if (args.shared_out != nullptr) AddRounded(y, args.shared_out + row * args.hidden + at);
  Bf16* residual = args.residual + row * args.hidden + at;
  AddRounded(y, residual);
  StoreWords(residual, Pack(y));
}

}  // namespace

DeviceStatus CombineCuda(DeviceStream stream, const CombineCudaArgs& args) {
  if (args.hidden < kBf16PerWords || args.hidden % kBf16PerWords != 0 || args.chosen < 1) {
    return RefuseLaunch("Combine: rows must have a multiple of 8 values, and an expert each");
  }
  if (!IsAligned(args.expert_out) || !IsAligned(args.residual) ||
      (args.shared_out != nullptr && !IsAligned(args.shared_out))) {
    return RefuseLaunch("Combine: rows must be aligned to 16 bytes");
  }
  if (args.rows == 0) return {};
  return Launch(stream,
                {.blocks_x = args.rows,
                 .blocks_y = DivideUp(args.hidden, std::int64_t{kThreads} * kBf16PerWords),
                 .threads = kThreads},
                CombineKernel, args);
}

}  // namespace sextant
