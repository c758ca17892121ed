// Adds a MoE layer's result to the residual stream on a GPU: the chosen experts' outputs, weighted
// and summed, then the shared experts, then the residual.
//
// Shapes:    T tokens, K chosen experts, H hidden, a multiple of 8; rows packed and aligned to 16
//            bytes.
// Numerics:  kernels/moe/combine.h under kBf16, in the same order and with the CPU's bits: slots
//            0 .. K - 1 by fused multiply-adds from 0, rounded; the shared experts added, rounded;
//            the residual added, rounded.
// Memory:    reads K + 2 rows of H and writes one, each once.
// Stream:    asynchronous.
// Errors:    kInvalidArgument for shapes or pointers that do not fit; nothing is launched. Places
//            must be in the memory of expert_out: nobody can check them here.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"
#include "kernels/cuda/launch.h"

namespace sextant {

struct CombineCudaArgs {
  const Bf16* expert_out = nullptr;         // [places, H]
  const std::int32_t* places = nullptr;     // [T, K]: which row of expert_out is slot k of token t
  const float* weights = nullptr;           // [T, K]
  const Bf16* shared_out = nullptr;         // [T, H], or null: a model without shared experts
  Bf16* residual = nullptr;                 // [T, H] in and out
  std::int64_t rows = 0;                    // T
  const std::int32_t* live_rows = nullptr;  // on the device: rows from this on are left alone
  std::int32_t chosen = 0;                  // K
  std::int64_t hidden = 0;                  // H
};
DeviceStatus CombineCuda(DeviceStream stream, const CombineCudaArgs& args);

}  // namespace sextant
