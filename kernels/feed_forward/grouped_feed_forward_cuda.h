// y = down(silu(gate x) * up x) on a GPU, for many experts at once, each on its own rows of x.
//
// Shapes:    T rows of x, S places (rows of y, sorted by expert as GroupRowsCuda sorts them), E
//            experts, at most 256, H hidden, F the width of an expert; H and F multiples of 8; rows
//            packed, pointers aligned to 16 bytes, fewer than 2^31 values in each matrix.
// Order:     each output has one sum along H or F (kernels/cuda/tile_product.cuh), so that a row's
//            bits depend on the row and the weights alone: not on its place, nor on how many rows
//            its expert has, nor on the tile that was chosen for them.
// Numerics:  products of bf16 values, f32 sums; gate, up, silu(gate), their product and down are
//            rounded to bf16, as kernels/feed_forward/grouped_feed_forward.h says.
// Memory:    weights stream past every expert's first tile of rows once; `gated` holds S F values.
// Stream:    asynchronous. Offsets are read on the device: the launch is as wide as S allows, and
//            blocks without rows end at once, so that a captured graph serves any routing.
// Errors:    kInvalidArgument for shapes or pointers that do not fit; nothing is launched.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"
#include "kernels/cuda/launch.h"

namespace sextant {

// Anywhere in device memory, each [outputs, inputs].
struct ExpertWeightsCuda {
  const Bf16* gate;  // [F, H]
  const Bf16* up;    // [F, H]
  const Bf16* down;  // [H, F]
};

struct GroupedFeedForwardCudaArgs {
  const Bf16* x = nullptr;                     // [T, H]
  const std::int32_t* source_rows = nullptr;   // [S] the row of x at each place; null: the place
  const std::int32_t* offsets = nullptr;       // [E + 1] expert e has places offsets[e] ...
  const ExpertWeightsCuda* experts = nullptr;  // [E], on the device
  std::int64_t places = 0;                     // S: offsets[E] is at most this
  std::int32_t num_experts = 0;                // E
  std::int32_t hidden = 0;                     // H
  std::int32_t width = 0;                      // F
  Bf16* gated = nullptr;                       // [S, F] workspace
  Bf16* y = nullptr;                           // [S, H] out
};
DeviceStatus GroupedFeedForwardCuda(DeviceStream stream, const GroupedFeedForwardCudaArgs& args);

// How many rows of one expert a block takes: 16, 64 or 128. A matter of speed alone.
[[nodiscard]] int FeedForwardTokens(std::int64_t places, std::int32_t num_experts);

}  // namespace sextant
