// Brings the positions of a step into attention, on a GPU: rotates the queries in place, normalises
// and rotates the new latents, and writes them to their slots of the paged cache. One pass.
//
// Shapes:    T rows; N heads of nope + rope values; R latent rank; P positions that the tables
// hold.
//            R, nope and rope are multiples of 8, R at most 1024, rope at most 256; strides are
//            multiples of 8 elements, pointers aligned to 16 bytes.
// Order:     the norm's sum as in kernels/norm/rms_norm_cuda.h, with one thread for 8 values of R.
// Numerics:  those of RmsNorm and ApplyRope under kBf16; rotations have the CPU's bits. The tables
//            are RopeTable::Rows under kBf16 (kernels/rope/yarn.h), whose values bf16 holds.
// Stream:    asynchronous; positions, slots and the count of live rows are read on the device, so
//            that a captured graph serves every step.
// Errors:    kInvalidArgument for shapes, strides or pointers that do not fit; nothing is launched.
//            A slot that is negative is not written (a row that pads a batch); its query is
//            rotated. Positions must be in [0, P) and slots of the cache: nobody can check them
//            here.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"
#include "kernels/cuda/launch.h"

namespace sextant {

struct WriteLatentsCudaArgs {
  Bf16* q = nullptr;  // [T, N * (nope + rope)] in and out
  std::int64_t q_stride = 0;
  const Bf16* kva = nullptr;  // [T, R + rope]: the output of kv_a_proj_with_mqa
  std::int64_t kva_stride = 0;
  const Bf16* norm_weight = nullptr;        // [R]
  const Bf16* cos = nullptr;                // [P, rope / 2]
  const Bf16* sin = nullptr;                // [P, rope / 2]
  const std::int32_t* positions = nullptr;  // [T], on the device
  const std::int64_t* slots = nullptr;      // [T], on the device
  Bf16* cache = nullptr;                    // [slots, R + rope], one layer
  std::int64_t rows = 0;                    // T
  const std::int32_t* live_rows = nullptr;  // on the device: rows from this on are left alone
  std::int64_t num_heads = 0;               // N
  std::int64_t nope = 0;
  std::int64_t rope = 0;
  std::int64_t rank = 0;  // R
  float eps = 1e-6F;
};
DeviceStatus WriteLatentsCuda(DeviceStream stream, const WriteLatentsCudaArgs& args);

}  // namespace sextant
