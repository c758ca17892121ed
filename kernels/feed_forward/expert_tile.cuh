// Which rows of which expert a block has, when their numbers are known on the device alone.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/cuda/scan.cuh"

namespace sextant {

struct ExpertTile {
  int expert;  // -1: there is nothing to do
  int begin;   // its first place
  int count;   // of places, at most the tile's tokens
};

// Tiles are numbered by expert, and within one by place. Every warp finds its own answer, the same
// for all; at most 256 experts.
__device__ inline ExpertTile FindExpertTile(const std::int32_t* offsets, int num_experts, int tile,
                                            int tokens) {
  constexpr int kPerLane = 8;
  const int lane = ThreadIndex() % kWarpSize;
  const auto tiles_of = [&](int expert) {
    if (expert >= num_experts) return 0;
    return (offsets[expert + 1] - offsets[expert] + tokens - 1) / tokens;
  };
  int mine = 0;
  for (int i = 0; i < kPerLane; ++i) mine += tiles_of(lane * kPerLane + i);
  const int inclusive = WarpScan(mine);
  const std::uint32_t beyond = Ballot(inclusive > tile);
  if (beyond == 0) return {-1, 0, 0};
  // The first lane whose experts reach beyond the tile looks for the one that has it.
  const int finder = kWarpSize - CountBits(beyond);
  int expert = lane * kPerLane;
  int within = tile - (inclusive - mine);
  if (lane == finder) {
    for (; within >= tiles_of(expert); ++expert) within -= tiles_of(expert);
  }
  expert = ShuffleFrom(expert, finder);
  within = ShuffleFrom(within, finder);
  const int begin = offsets[expert] + within * tokens;
  const int left = offsets[expert + 1] - begin;
  return {expert, begin, left < tokens ? left : tokens};
}

}  // namespace sextant
