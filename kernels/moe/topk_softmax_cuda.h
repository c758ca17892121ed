// Chooses the experts of each token on a GPU: softmax over the gate's logits, then the K heaviest.
//
// Shapes:    T tokens, E routed experts, at most 256; K chosen, at most 32; at most 32 groups.
// Order:     kernels/moe/topk_softmax.h: heaviest first, equal logits to the lower id, a NaN below
//            every number; the same ids as on every other backend.
// Groups, numerics: as there. A warp has a token; lane l sums the exponentials of experts l, l +
// 32,
//            ..., then the lanes are added as WarpSum does.
// Stream:    asynchronous.
// Errors:    kInvalidArgument when K, E or the groups do not fit; nothing is launched.
#pragma once

#include <cstdint>

#include "kernels/cuda/launch.h"

namespace sextant {

struct TopkSoftmaxCudaArgs {
  const float* gate_logits = nullptr;       // [T, E], packed
  std::int64_t rows = 0;                    // T
  const std::int32_t* live_rows = nullptr;  // on the device: rows from this on are left alone
  std::int32_t experts = 0;                 // E
  std::int32_t chosen = 0;                  // K
  std::int32_t groups = 1;                  // n_group
  std::int32_t kept_groups = 1;             // topk_group, in [1, groups]
  bool normalise = false;                   // norm_topk_prob
  float scale = 1.0F;                       // routed_scaling_factor
  float* weights = nullptr;                 // [T, K] out
  std::int32_t* expert_ids = nullptr;       // [T, K] out
};
DeviceStatus TopkSoftmaxCuda(DeviceStream stream, const TopkSoftmaxCudaArgs& args);

}  // namespace sextant
