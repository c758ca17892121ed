#include "kernels/ceiling/ceiling_cuda.h"
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/device.h"

namespace sextant {
namespace {

constexpr int kReadThreads = 512;
constexpr int kReadsAtOnce = 4;
constexpr int kProductThreads = static_cast<int>(kCeilingWarps) * kWarpSize;
constexpr std::uint32_t kTwoOnes = 0x3f803f80U;  // 1.0 twice, in bf16

__device__ std::uint32_t WarpXor(std::uint32_t value) {
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) value ^= ShuffleXor(value, mask);
  return value;
}

__global__ void __launch_bounds__(kReadThreads) ReadCeilingKernel(ReadCeilingCudaArgs args) {
  const auto slots = BlockShared<std::uint32_t>(0, kReadThreads / kWarpSize);
  const auto* from = static_cast<const Words4*>(args.from);
  const std::int64_t count = args.bytes / static_cast<std::int64_t>(sizeof(Words4));
  const std::int64_t step = std::int64_t{BlockCountX()} * kReadThreads;
  std::uint32_t word = 0;
  for (std::int64_t i = std::int64_t{BlockIndexX()} * kReadThreads + ThreadIndex(); i < count;
       i += kReadsAtOnce * step) {
    Words4 words[kReadsAtOnce] = {};
    SEXTANT_UNROLL
    for (int j = 0; j < kReadsAtOnce; ++j) {
      if (i + j * step < count) words[j] = LoadWordsOnce(from + i + j * step);
    }
    SEXTANT_UNROLL
    for (int j = 0; j < kReadsAtOnce; ++j) {
      word ^= words[j].w[0] ^ words[j].w[1] ^ words[j].w[2] ^ words[j].w[3];
    }
  }
  word = WarpXor(word);
  if (ThreadIndex() % kWarpSize == 0) slots.Store(ThreadIndex() / kWarpSize, word);
  BlockBarrier();
  if (ThreadIndex() > 0) return;
  for (int warp = 1; warp < kReadThreads / kWarpSize; ++warp) word ^= slots.Load(warp);
  args.words[BlockIndexX()] = word;
}

__global__ void __launch_bounds__(kProductThreads)
    ProductCeilingKernel(ProductCeilingCudaArgs args) {
  float sums[kProductsOfARound][4] = {};
  const std::uint32_t ones[4] = {kTwoOnes, kTwoOnes, kTwoOnes, kTwoOnes};
  for (int round = 0; round < args.rounds; ++round) {
    SEXTANT_UNROLL
    for (int i = 0; i < kProductsOfARound; ++i) MmaBf16(sums[i], ones, kTwoOnes, kTwoOnes);
  }
  float sum = 0.0F;
  SEXTANT_UNROLL
  for (int i = 0; i < kProductsOfARound; ++i) sum += sums[i][0];
  if (ThreadIndex() == 0) args.sums[BlockIndexX()] = sum;
}

}  // namespace

DeviceStatus ReadCeilingCuda(DeviceStream stream, const ReadCeilingCudaArgs& args) {
  if (args.bytes < 0 || args.bytes % static_cast<std::int64_t>(sizeof(Words4)) != 0 ||
      args.blocks < 1 || !IsAligned(args.from)) {
    return RefuseLaunch("ReadCeiling: bytes must be a multiple of 16, aligned to 16");
  }
  return Launch(stream,
                {.blocks_x = args.blocks,
                 .threads = kReadThreads,
                 .shared_bytes = kReadThreads / kWarpSize * 4},
                ReadCeilingKernel, args);
}

DeviceStatus ProductCeilingCuda(DeviceStream stream, const ProductCeilingCudaArgs& args) {
  if (args.rounds < 0 || args.blocks < 1) {
    return RefuseLaunch("ProductCeiling: needs blocks and no negative rounds");
  }
  return Launch(stream, {.blocks_x = args.blocks, .threads = kProductThreads}, ProductCeilingKernel,
                args);
}

}  // namespace sextant
