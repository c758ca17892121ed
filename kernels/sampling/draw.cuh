// The uniform draw of a position, and the token that it falls on.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/scan.cuh"
#include "kernels/random/philox.cuh"
#include "kernels/sampling/row_walk.cuh"

namespace sextant {

// 53 random bits.
__device__ inline std::uint64_t DrawBits(std::uint64_t seed, std::uint64_t position) {
  const PhiloxWords bits = PhiloxAt(seed, position);
  return (static_cast<std::uint64_t>(bits.w[0]) << 32 | bits.w[1]) >> 11;
}

// The first token by id, among those at or above `lowest_place`, at which the running sum of
// weights exceeds the draw's share of their total. Each warp has a run of consecutive ids. The one
// thread that found it gets its id, all others -1.
__device__ inline int DrawToken(const LogitRow& row, const Weigher& weigher,
                                std::uint64_t lowest_place, std::uint64_t draw_bits,
                                SharedSpan<std::uint64_t> slots) {
  const int warp = ThreadIndex() / kWarpSize;
  const int lane = ThreadIndex() % kWarpSize;
  const int warps = ThreadCount() / kWarpSize;
  constexpr int kRound = kWarpSize * kBf16PerWords;
  const int run = (row.vocab_size + warps * kRound - 1) / (warps * kRound) * kRound;
  const auto weight_of = [&](int id, float logit) {
    return PlaceOf(logit, id) >= lowest_place ? weigher.Weight(logit) : 0;
  };
  std::uint64_t mine = 0;
  row.Walk(warp * run, (warp + 1) * run, lane, kWarpSize,
           [&](int id, float logit) { mine += weight_of(id, logit); });
  mine = WarpSum(mine);
  if (lane == 0) slots.Store(warp, mine);
  BlockBarrier();
  std::uint64_t total = 0;
  std::uint64_t before = 0;
  for (int i = 0; i < warps; ++i) {
    if (i == warp) before = total;
    total += slots.Load(i);
  }
  // bits / 2^53 of the total, rounded down: a whole number exceeds one if it exceeds the other.
  const std::uint64_t target = MultiplyHigh(draw_bits << 11, total);
  if (target < before || target >= before + mine) return -1;

  for (int first = warp * run; first < (warp + 1) * run; first += kRound) {
    std::uint64_t share = 0;
    row.Walk(first, first + kRound, lane, kWarpSize,
             [&](int id, float logit) { share += weight_of(id, logit); });
    const std::uint64_t inclusive = WarpScan(share);
    const std::uint64_t sum = ShuffleFrom(inclusive, kWarpSize - 1);
    if (target >= before + sum) {
      before += sum;
      continue;
    }
    std::uint64_t running = before + inclusive - share;
    int drawn = -1;
    if (target < running || target >= running + share) return drawn;
    row.Walk(first, first + kRound, lane, kWarpSize, [&](int id, float logit) {
      running += weight_of(id, logit);
      if (drawn < 0 && running > target) drawn = id;
    });
    return drawn;
  }
  return -1;
}

}  // namespace sextant
