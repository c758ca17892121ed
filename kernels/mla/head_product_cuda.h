// A product for each head on a GPU: the two ends of absorbed attention.
//
//   absorb:    q~_h = UK_h^T q_n   outputs R, depth nope, weights UK_h transposed once at loading
//   unabsorb:  o_h  = UV_h u_h     outputs v, depth R, rows in two halves
//
// Shapes:    B rows, N heads; per head W_h [outputs, depth], both multiples of 8. Strides in
// elements,
//            multiples of 8; pointers aligned to 16 bytes.
// Order:     kernels/cuda/tile_product.cuh: one sum for each output.
// Numerics:  products of bf16 values, f32 sums, results rounded to bf16. Rows in two halves hold
//            depth values, then depth more, which are added to them: an f32 in 16 bits, as
//            MlaDecodeCuda leaves u. Both halves meet the same weights, so nothing is rounded
//            before the sum.
// Stream:    asynchronous.
// Errors:    kInvalidArgument for shapes, strides or pointers that do not fit; nothing is launched.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"
#include "kernels/cuda/launch.h"

namespace sextant {

struct HeadProductCudaArgs {
  const Bf16* x = nullptr;  // row b of head h begins at b * x_row_stride + h * x_head_stride
  std::int64_t x_row_stride = 0;
  std::int64_t x_head_stride = 0;
  bool two_halves = false;  // rows of 2 * depth values
  const Bf16* weight = nullptr;
  std::int64_t weight_head_stride = 0;  // W_h begins at h times this
  Bf16* y = nullptr;                    // out, as x
  std::int64_t y_row_stride = 0;
  std::int64_t y_head_stride = 0;
  std::int64_t rows = 0;                    // B
  const std::int32_t* live_rows = nullptr;  // on the device: rows from this on are left alone
  std::int32_t num_heads = 0;               // N
  std::int32_t outputs = 0;
  std::int32_t depth = 0;
};
DeviceStatus HeadProductCuda(DeviceStream stream, const HeadProductCudaArgs& args);

}  // namespace sextant
