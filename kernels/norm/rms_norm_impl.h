// RmsNormRow over a vector type. Four running sums hide the latency of the addition; their order
// depends on the row's length alone.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"
#include "kernels/norm/rms_norm_row.h"

namespace sextant {
namespace {

// Calls full(i) for whole vectors and partial(i, count) for what is left.
template <typename V, typename Full, typename Partial>
[[gnu::always_inline]] inline void ForVectors(std::int64_t cols, Full full, Partial partial) {
  std::int64_t i = 0;
  for (; i + V::kLanes <= cols; i += V::kLanes) full(i);
  if (i < cols) partial(i, cols - i);
}

template <typename V>
void AddRows(const RmsNormRow& row) {
  const auto add = [&](V a, V b) { return row.round ? (a + b).RoundToBf16() : a + b; };
  ForVectors<V>(
      row.cols,
      [&](std::int64_t i) { add(V::Load(row.x + i), V::Load(row.delta + i)).Store(row.sum + i); },
      [&](std::int64_t i, std::int64_t count) {
        add(V::LoadPartial(row.x + i, count), V::LoadPartial(row.delta + i, count))
            .StorePartial(row.sum + i, count);
      });
}

template <typename V>
float SumOfSquares(const float* x, std::int64_t cols) {
  V sum0 = V::Zero(), sum1 = V::Zero(), sum2 = V::Zero(), sum3 = V::Zero();
  std::int64_t i = 0;
  for (; i + 4 * V::kLanes <= cols; i += 4 * V::kLanes) {
    const V a = V::Load(x + i), b = V::Load(x + i + V::kLanes);
    const V c = V::Load(x + i + 2 * V::kLanes), d = V::Load(x + i + 3 * V::kLanes);
    sum0 = V::Fma(a, a, sum0);
    sum1 = V::Fma(b, b, sum1);
    sum2 = V::Fma(c, c, sum2);
    sum3 = V::Fma(d, d, sum3);
  }
  const float* rest = x + i;
  ForVectors<V>(
      cols - i, [&](std::int64_t j) { sum0 = V::Fma(V::Load(rest + j), V::Load(rest + j), sum0); },
      [&](std::int64_t j, std::int64_t count) {
        const V a = V::LoadPartial(rest + j, count);
        sum1 = V::Fma(a, a, sum1);
      });
  return ((sum0 + sum1) + (sum2 + sum3)).ReduceAdd();
}

template <typename V, typename Weight>
void ScaleRow(const RmsNormRow& row, const float* x, const Weight* weight, float scale) {
  const V scales = V::Broadcast(scale);
  const auto apply = [&](V value, V w) {
    const V normalised = value * scales;
    return row.round ? (normalised.RoundToBf16() * w).RoundToBf16() : normalised * w;
  };
  ForVectors<V>(
      row.cols,
      [&](std::int64_t i) { apply(V::Load(x + i), V::Load(weight + i)).Store(row.y + i); },
      [&](std::int64_t i, std::int64_t count) {
        apply(V::LoadPartial(x + i, count), V::LoadPartial(weight + i, count))
            .StorePartial(row.y + i, count);
      });
}

template <typename V>
void NormRow(const RmsNormRow& row) {
  const float* x = row.x;
  if (row.delta != nullptr) {
    AddRows<V>(row);
    x = row.sum;
  }
  const float mean = SumOfSquares<V>(x, row.cols) / static_cast<float>(row.cols);
  const float scale = 1.0F / __builtin_sqrtf(mean + row.eps);
  if (row.weight.dtype == DType::kBf16) {
    ScaleRow<V>(row, x, static_cast<const Bf16*>(row.weight.data), scale);
  } else {
    ScaleRow<V>(row, x, static_cast<const float*>(row.weight.data), scale);
  }
}

}  // namespace
}  // namespace sextant
