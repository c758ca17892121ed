// silu(gate) * up on a GPU: what stands between the two halves of a dense feed-forward, whose
// products a library computes (layer 0, the shared experts).
//
// Shapes:    T rows; F values of gate, then F of up in each row of x; F a multiple of 8, strides
//            multiples of 8 elements, pointers aligned to 16 bytes.
// Numerics:  silu(v) = v / (1 + exp(-v)) in f32, exp to 2 ulp (CUDA C++ Programming Guide, "Single-
//            Precision Floating-Point Functions"); silu and the product are rounded to bf16.
// Stream:    asynchronous.
// Errors:    kInvalidArgument for F, strides or pointers that do not fit; nothing is launched.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"
#include "kernels/cuda/launch.h"

namespace sextant {

struct SiluProductCudaArgs {
  const Bf16* x = nullptr;  // [T, 2 F]
  std::int64_t x_stride = 0;
  Bf16* y = nullptr;  // [T, F] out
  std::int64_t y_stride = 0;
  std::int64_t rows = 0;                    // T
  std::int64_t width = 0;                   // F
  const std::int32_t* live_rows = nullptr;  // on the device: rows from this on are left alone
};
DeviceStatus SiluProductCuda(DeviceStream stream, const SiluProductCudaArgs& args);

}  // namespace sextant
