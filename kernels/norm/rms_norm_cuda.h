// Root-mean-square normalisation of rows on a GPU, with the residual connection before it.
//
//   h += delta (where given), y = w * (h / sqrt(mean(h^2) + eps))
//
// Shapes:    T rows of H bf16 values, 8 to 8192 and a multiple of 8; strides in elements, multiples
//            of 8; all pointers aligned to 16 bytes.
// Order:     thread i of a row sums the squares of values 8i .. 8i + 7, then those of the next
//            share that is its own; lanes, then warps are added: a function of H alone.
// Numerics:  those of kernels/norm/rms_norm.h under kBf16: the sum h is rounded, the normalised
//            value is rounded, multiplied by the weight, and rounded again; the rest is f32.
// Memory:    reads and writes every value once: 4 H bytes a row, 8 H with `delta`.
// Stream:    asynchronous; the views must live until the stream has passed it. `y` may be `h`
//            where there is no delta.
// Errors:    kInvalidArgument for H, strides or pointers that do not fit; nothing is launched.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"
#include "kernels/cuda/launch.h"

namespace sextant {

struct RmsNormCudaArgs {
  Bf16* h = nullptr;  // [T, H] in; with `delta` also out
  std::int64_t h_stride = 0;
  const Bf16* delta = nullptr;  // [T, H], or null
  std::int64_t delta_stride = 0;
  const Bf16* weight = nullptr;  // [H]
  Bf16* y = nullptr;             // [T, H] out
  std::int64_t y_stride = 0;
  std::int64_t rows = 0;                    // T
  std::int64_t cols = 0;                    // H
  const std::int32_t* live_rows = nullptr;  // on the device: rows from this on are left alone
  float eps = 1e-6F;
};
DeviceStatus RmsNormCuda(DeviceStream stream, const RmsNormCudaArgs& args);

}  // namespace sextant
