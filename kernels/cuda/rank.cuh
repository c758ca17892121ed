// Ranks of numbers as unsigned integers: the heavier the greater.
#pragma once

#include "kernels/cuda/device.h"

namespace sextant {

// Orders as f32 does; both zeros are equal, and a NaN is below all.
__device__ __forceinline__ std::uint32_t RankOf(float value) {
  if (value != value) return 0;
  const std::uint32_t bits = FloatBits(value + 0.0F);
  return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}

// The number of this rank; not for the rank of NaN.
__device__ __forceinline__ float FloatOfRank(std::uint32_t rank) {
  return FloatFromBits((rank & 0x80000000U) != 0 ? rank & 0x7fffffffU : ~rank);
}

}  // namespace sextant
