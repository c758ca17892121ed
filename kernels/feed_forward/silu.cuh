// The gate of a feed-forward as DeepSeek's code in bf16 rounds it.
#pragma once

#include <cmath>

#include "kernels/cuda/device.h"
#include "kernels/cuda/vector.cuh"

namespace sextant {

// silu(gate) * up of rounded values; silu is rounded, the product is not yet.
__device__ __forceinline__ float SiluProduct(float gate, float up) {
  return RoundedToBf16(gate / (1.0F + expf(-gate))) * up;
}

}  // namespace sextant
