// Fills weights with random values on a GPU, for measuring without a checkpoint.
//
// Numerics:  value i is normal by Box and Muller's transform of Philox4x32-10 (kernels/sampling/
//            philox.h) keyed by (seed, i / 4), times `deviation`, rounded to bf16. It depends on
//            seed and i alone.
// Stream:    asynchronous.
// Errors:    kInvalidArgument for a null or unaligned pointer or a count that is no multiple of 8.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"
#include "kernels/cuda/launch.h"

namespace sextant {

struct FillNormalCudaArgs {
  Bf16* values = nullptr;  // [count] out, aligned to 16 bytes
  std::int64_t count = 0;  // a multiple of 8
  float deviation = 1.0F;
  std::uint64_t seed = 0;
};
DeviceStatus FillNormalCuda(DeviceStream stream, const FillNormalCudaArgs& args);

}  // namespace sextant
