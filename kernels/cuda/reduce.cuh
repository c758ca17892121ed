// Sums and maxima over a warp or a block, in an order that the number of threads alone fixes.
#pragma once

#include <cmath>

#include "kernels/cuda/device.h"

namespace sextant {

// Every lane gets the sum; pairs at distance 16 are added first.
template <typename T>
__device__ __forceinline__ T WarpSum(T value) {
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) value += ShuffleXor(value, mask);
  return value;
}

template <typename T>
__device__ __forceinline__ T WarpMax(T value) {
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) {
    const T other = ShuffleXor(value, mask);
    value = other > value ? other : value;
  }
  return value;
}

// Over the four lanes that share a row of what MmaBf16 leaves.
__device__ __forceinline__ float QuadMax(float value) {
  value = fmaxf(value, ShuffleXor(value, 1));
  return fmaxf(value, ShuffleXor(value, 2));
}
__device__ __forceinline__ float QuadSum(float value) {
  value += ShuffleXor(value, 1);
  return value + ShuffleXor(value, 2);
}

// Bytes of shared memory that a reduction over a block needs.
inline constexpr int kReduceSlots = 32;
template <typename T>
inline constexpr int kReduceBytes = kReduceSlots* static_cast<int>(sizeof(T));

// Every thread gets the sum: lanes of each warp, then the warps in order. `slots` has kReduceSlots
// elements; the caller puts a BlockBarrier between two uses of them.
template <typename T>
__device__ __forceinline__ T BlockSum(T value, SharedSpan<T> slots) {
  value = WarpSum(value);
  if (ThreadIndex() % kWarpSize == 0) slots.Store(ThreadIndex() / kWarpSize, value);
  BlockBarrier();
  T sum = slots.Load(0);
  for (int warp = 1; warp < ThreadCount() / kWarpSize; ++warp) sum += slots.Load(warp);
  return sum;
}

// The same of the maximum.
template <typename T>
__device__ __forceinline__ T BlockMax(T value, SharedSpan<T> slots) {
  value = WarpMax(value);
  if (ThreadIndex() % kWarpSize == 0) slots.Store(ThreadIndex() / kWarpSize, value);
  BlockBarrier();
  T most = slots.Load(0);
  for (int warp = 1; warp < ThreadCount() / kWarpSize; ++warp) {
    const T other = slots.Load(warp);
    most = other > most ? other : most;
  }
  return most;
}

}  // namespace sextant
