// Which token is the last that top_k or top_p keeps, found by a block without sorting the row.
//
// A histogram over the distance from the heaviest token (one bin for 1/32 nat) says in which bin
// it lies; among that bin's members it is found by bisection of the places. All sums are of whole
// numbers, so that the order in which threads add them does not matter.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/scan.cuh"
#include "kernels/sampling/row_walk.cuh"

namespace sextant {

inline constexpr int kBinCount = 1024;
inline constexpr float kBinsOfANat = 32.0F;
inline constexpr int kListed = 1024;  // members of a bin that are listed, rather than walked to

enum class Measure { kTokens, kWeight };

// Shared memory of a block that looks for thresholds.
struct ThresholdMemory {
  SharedSpan<std::uint32_t> low;     // [kBinCount], a bin's sum
  SharedSpan<std::uint32_t> high;    // [kBinCount]
  SharedSpan<std::uint64_t> listed;  // [kListed] places
  SharedSpan<std::uint32_t> count;   // [1] members found
  SharedSpan<std::uint64_t> found;   // [3]
  SharedSpan<std::uint64_t> slots;   // [kReduceSlots]

  static constexpr int kHighAt = kBinCount * 4;
  static constexpr int kListedAt = kHighAt + kBinCount * 4;
  static constexpr int kFoundAt = kListedAt + kListed * 8;
  static constexpr int kSlotsAt = kFoundAt + 24;
  static constexpr int kCountAt = kSlotsAt + kReduceBytes<std::uint64_t>;
  static constexpr int kBytes = kCountAt + 8;

  __device__ ThresholdMemory()
      : low(BlockShared<std::uint32_t>(0, kBinCount)),
        high(BlockShared<std::uint32_t>(kHighAt, kBinCount)),
        listed(BlockShared<std::uint64_t>(kListedAt, kListed)),
        count(BlockShared<std::uint32_t>(kCountAt, 1)),
        found(BlockShared<std::uint64_t>(kFoundAt, 3)),
        slots(BlockShared<std::uint64_t>(kSlotsAt, kReduceSlots)) {}
};

__device__ __forceinline__ int BinOf(const Weigher& weigher, float logit) {
  const float bin = (weigher.heaviest - logit) * weigher.inverse_temperature * kBinsOfANat;
  return bin >= static_cast<float>(kBinCount - 1) ? kBinCount - 1 : static_cast<int>(bin);
}

template <Measure kMeasure>
__device__ __forceinline__ std::uint64_t MeasureOf(const Weigher& weigher, float logit) {
  return kMeasure == Measure::kTokens ? 1 : weigher.Weight(logit);
}

// Adds to a sum in two halves; the carry goes with whoever made the lower one overflow.
__device__ __forceinline__ void AddToBin(const ThresholdMemory& memory, int bin,
                                         std::uint64_t value) {
  const auto low = static_cast<std::uint32_t>(value);
  const std::uint32_t before = AtomicAdd(memory.low, bin, low);
  const std::uint32_t carry = before + low < low ? 1 : 0;
  const std::uint32_t high = static_cast<std::uint32_t>(value >> 32) + carry;
  if (high != 0) AtomicAdd(memory.high, bin, high);
}

// By warp 0: the bin in which the running sum reaches `amount`, and the sum before it; the bin is
// kBinCount where it does not. In found[0] and found[1].
__device__ inline void FindBin(const ThresholdMemory& memory, std::uint64_t amount) {
  constexpr int kPerLane = kBinCount / kWarpSize;
  const int lane = ThreadIndex();
  const auto sum_of = [&](int bin) {
    return static_cast<std::uint64_t>(memory.high.Load(bin)) << 32 | memory.low.Load(bin);
  };
  std::uint64_t mine = 0;
  for (int i = 0; i < kPerLane; ++i) mine += sum_of(lane * kPerLane + i);
  const std::uint64_t inclusive = WarpScan(mine);
  const std::uint64_t total = ShuffleFrom(inclusive, kWarpSize - 1);
  std::uint64_t before = inclusive - mine;
  if (total < amount) {
    if (lane == 0) memory.found.Store(0, kBinCount);
  } else if (before < amount && inclusive >= amount) {
    int bin = lane * kPerLane;
    for (; before + sum_of(bin) < amount; ++bin) before += sum_of(bin);
    memory.found.Store(0, static_cast<std::uint64_t>(bin));
    memory.found.Store(1, before);
  }
}

// The greatest place in [low, high) whose sum(place), the measure of the members at or above it,
// reaches `amount`, as that of `low` does.
template <typename Sum>
__device__ std::uint64_t Bisect(std::uint64_t low, std::uint64_t high, std::uint64_t amount,
                                Sum sum) {
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (sum(middle) >= amount) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

// The place of the token at which the running measure, heaviest token first, reaches `amount`
// among those at or above `lowest_place`; lowest_place where it does not. All threads call it and
// get it.
template <Measure kMeasure>
__device__ std::uint64_t FindThreshold(const LogitRow& row, const Weigher& weigher,
                                       std::uint64_t amount, std::uint64_t lowest_place) {
  const ThresholdMemory memory;
  BlockBarrier();
  for (int bin = ThreadIndex(); bin < kBinCount; bin += ThreadCount()) {
    memory.low.Store(bin, 0);
    memory.high.Store(bin, 0);
  }
  if (ThreadIndex() == 0) memory.count.Store(0, 0);
  BlockBarrier();
  const auto counts = [&](int id, float logit) {
    return !weigher.IsDropped(logit) && PlaceOf(logit, id) >= lowest_place;
  };
  row.WalkAll([&](int id, float logit) {
    if (!counts(id, logit)) return;
    const std::uint64_t measure = MeasureOf<kMeasure>(weigher, logit);
    if (measure != 0) AddToBin(memory, BinOf(weigher, logit), measure);
  });
  BlockBarrier();
  if (ThreadIndex() < kWarpSize) FindBin(memory, amount);
  BlockBarrier();
  const int bin = static_cast<int>(memory.found.Load(0));
  if (bin == kBinCount) return lowest_place;
  const std::uint64_t wanted = amount - memory.found.Load(1);

  // The bin's members, and the places they lie between.
  const auto is_member = [&](int id, float logit) {
    return counts(id, logit) && BinOf(weigher, logit) == bin;
  };
  std::uint64_t most = 0;
  std::uint64_t least = ~std::uint64_t{0};
  row.WalkAll([&](int id, float logit) {
    if (!is_member(id, logit)) return;
    const std::uint64_t place = PlaceOf(logit, id);
    most = place > most ? place : most;
    least = place < least ? place : least;
    const std::uint32_t at = AtomicAdd(memory.count, 0, 1U);
    if (at < kListed) memory.listed.Store(static_cast<int>(at), place);
  });
  BlockBarrier();
  const std::uint64_t high = BlockMax(most, memory.slots);
  BlockBarrier();
  const std::uint64_t low = ~BlockMax(~least, memory.slots);
  const auto members = static_cast<int>(memory.count.Load(0));
  BlockBarrier();

  if (members > kListed) {
    return Bisect(low, high + 1, wanted, [&](std::uint64_t place) {
      std::uint64_t sum = 0;
      row.WalkAll([&](int id, float logit) {
        if (is_member(id, logit) && PlaceOf(logit, id) >= place) {
          sum += MeasureOf<kMeasure>(weigher, logit);
        }
      });
      sum = BlockSum(sum, memory.slots);
      BlockBarrier();
      return sum;
    });
  }
  if (ThreadIndex() < kWarpSize) {
    const std::uint64_t place = Bisect(low, high + 1, wanted, [&](std::uint64_t at_least) {
      std::uint64_t sum = 0;
      for (int i = ThreadIndex(); i < members; i += kWarpSize) {
        const std::uint64_t member = memory.listed.Load(i);
        if (member >= at_least) sum += MeasureOf<kMeasure>(weigher, LogitOfPlace(member));
      }
      return WarpSum(sum);
    });
    if (ThreadIndex() == 0) memory.found.Store(2, place);
  }
  BlockBarrier();
  return memory.found.Load(2);
}

}  // namespace sextant
