// y = x W^T on a GPU: every dense projection, the gate's logits and those of the head.
//
// Shapes:    T rows; W [outputs, depth], packed; depth a multiple of 8, outputs of 8 (bf16) or 4
//            (f32); strides in elements, rows aligned to 16 bytes; fewer than 2^31 values in W,
//            and in x from its first row to the last that is read.
// Order:     each output has one sum along the depth (kernels/cuda/tile_product.cuh): its bits
//            depend on its row of x and its row of W alone, not on T nor on the tile chosen for it.
// Numerics:  products of bf16 values, f32 sums, rounded to bf16 where y is bf16.
// Memory:    weights stream past the rows once for each 16, 64 or 128 of them; few rows are
//            multiplied by small blocks, which are many, so that the weights come at the speed of
//            memory.
// Stream:    asynchronous.
// Errors:    kInvalidArgument for shapes, strides or pointers that do not fit; nothing is launched.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"
#include "kernels/cuda/launch.h"

namespace sextant {

struct LinearCudaArgs {
  const Bf16* x = nullptr;  // [T, depth]
  std::int64_t x_stride = 0;
  const std::int32_t* x_rows = nullptr;  // [T] on the device: the row of x of each y; null: its own
  const Bf16* weight = nullptr;          // [outputs, depth]
  Bf16* y = nullptr;                     // [T, outputs] out; or null, and then
  float* y_f32 = nullptr;                // [T, outputs] out, not rounded
  std::int64_t y_stride = 0;
  std::int64_t rows = 0;                    // T
  const std::int32_t* live_rows = nullptr;  // on the device: rows from this on are left alone
  std::int64_t outputs = 0;
  std::int64_t depth = 0;
};
DeviceStatus LinearCuda(DeviceStream stream, const LinearCudaArgs& args);

}  // namespace sextant
