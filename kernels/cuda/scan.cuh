// Running sums over the threads of a warp or a block, of whole numbers.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.cuh"

namespace sextant {

// The sum of the values of lanes 0 .. this one.
template <typename T>
__device__ __forceinline__ T WarpScan(T value) {
  const int lane = ThreadIndex() % kWarpSize;
  for (int distance = 1; distance < kWarpSize; distance *= 2) {
    const T below = ShuffleUp(value, distance);
    if (lane >= distance) value += below;
  }
  return value;
}

struct Scan {
  int before;  // the sum over threads before this one
  int total;
};

// `slots` has kReduceSlots elements, and is free again afterwards.
__device__ __forceinline__ Scan BlockScan(int value, SharedSpan<int> slots) {
  const int inclusive = WarpScan(value);
  if (ThreadIndex() % kWarpSize == kWarpSize - 1) {
    slots.Store(ThreadIndex() / kWarpSize, inclusive);
  }
  BlockBarrier();
  Scan scan{inclusive - value, 0};
  for (int warp = 0; warp < ThreadCount() / kWarpSize; ++warp) {
    const int sum = slots.Load(warp);
    if (warp < ThreadIndex() / kWarpSize) scan.before += sum;
    scan.total += sum;
  }
  BlockBarrier();
  return scan;
}

}  // namespace sextant
