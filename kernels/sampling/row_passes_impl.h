// RowPasses for any vector type of kernels/simd; included by row_passes_avx2.cc and
// row_passes_avx512.cc, which first define for their type:
//   V AtLeast(V x, V bound, V then, V otherwise)     lane by lane, x >= bound ? then : otherwise
//   void StoreWhole(V x, std::uint16_t* to)          x truncated, in [0, 65535]
#pragma once

#include <cstdint>

#include "kernels/sampling/row_passes.h"

namespace sextant {
namespace {

constexpr float kMinusInf = -__builtin_inff();

template <typename V>
bool CopyFinite(const float* from, std::int64_t count, float* to) {
  V probe = V::Zero();  // x * 0 is 0 for a finite x and NaN for any other
  std::int64_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) {
    const V x = V::Load(from + i);
    probe = V::Fma(x, V::Zero(), probe);
    x.Store(to + i);
  }
  if (i < count) probe = V::Fma(V::LoadPartial(from + i, count - i), V::Zero(), probe);
  for (; i < count; ++i) to[i] = from[i];
  for (; i % kRowPadding != 0; ++i) to[i] = kMinusInf;
  return probe.ReduceAdd() == 0.0F;
}

template <typename V>
[[gnu::always_inline]] inline float RunMax(const float* run) {
  V max = V::Load(run);
  for (std::int64_t i = V::kLanes; i < kRowPadding; i += V::kLanes) {
    max = V::Max(max, V::Load(run + i));
  }
  return max.ReduceMax();
}

template <typename V>
HeaviestLogit FindHeaviest(const float* logits, std::int64_t count) {
  HeaviestLogit best{kMinusInf, 0};
  std::int64_t best_run = 0;
  for (std::int64_t run = 0; run < count; run += kRowPadding) {
    const float max = RunMax<V>(logits + run);
    if (max > best.logit) {
      best.logit = max;
      best_run = run;
    }
  }
  for (best.id = best_run; logits[best.id] != best.logit;) ++best.id;
  return best;
}

template <typename V>
void Weigh(const WeighArgs& args) {
  const V heaviest = V::Broadcast(args.heaviest);
  const V lowest = V::Broadcast(args.lowest_shift);
  const V scale = V::Broadcast(args.inverse_temperature);
  const V bin_scale = V::Broadcast(-kBinsPerNat);
  const V last_bin = V::Broadcast(static_cast<float>(kBins - 1));
  const V dropped_bin = V::Broadcast(static_cast<float>(kDroppedBin));
  for (std::int64_t i = 0; i < args.count; i += V::kLanes) {
    const V shift = V::Load(args.logits + i) - heaviest;
    const V scaled = shift * scale;
    AtLeast(shift, lowest, V::Exp(scaled), V::Zero()).Store(args.weights + i);
    const V bin = scaled * bin_scale;
    const V clamped = AtLeast(bin, last_bin, last_bin, bin);
    StoreWhole(AtLeast(shift, lowest, clamped, dropped_bin), args.bins + i);
  }
}

template <typename V>
double SumBlock(const float* logits, const float* weights, std::int64_t count, float lightest) {
  const V bound = V::Broadcast(lightest);
  V sum[2] = {V::Zero(), V::Zero()};
  for (std::int64_t i = 0; i < count; i += 2 * V::kLanes) {
    for (std::int64_t half = 0; half < 2; ++half) {
      const std::int64_t at = i + half * V::kLanes;
      sum[half] =
          sum[half] + AtLeast(V::Load(logits + at), bound, V::Load(weights + at), V::Zero());
    }
  }
  return static_cast<double>((sum[0] + sum[1]).ReduceAdd());
}

template <typename V>
double SumExp(const float* logits, std::int64_t count, float heaviest) {
  const V shift = V::Broadcast(heaviest);
  double total = 0.0;
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const std::int64_t end = begin + kBlock < count ? begin + kBlock : count;
    V sum = V::Zero();
    for (std::int64_t i = begin; i < end; i += V::kLanes) {
      sum = sum + V::Exp(V::Load(logits + i) - shift);
    }
    total += static_cast<double>(sum.ReduceAdd());
  }
  return total;
}

template <typename V>
std::int64_t FindRunAbove(const float* logits, std::int64_t begin, std::int64_t count,
                          float bound) {
  for (std::int64_t run = begin; run < count; run += kRowPadding) {
    if (RunMax<V>(logits + run) > bound) return run;
  }
  return count;
}

template <typename V>
constexpr RowPasses kRowPassesOf = {
    .copy_finite = CopyFinite<V>,
    .find_heaviest = FindHeaviest<V>,
    .weigh = Weigh<V>,
    .sum_block = SumBlock<V>,
    .sum_exp = SumExp<V>,
    .find_run_above = FindRunAbove<V>,
};

}  // namespace
}  // namespace sextant
