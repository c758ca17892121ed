// What simd_test.cc asks of a vector type, instantiated in simd_probe_avx2.cc and _avx512.cc.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"
#include "tests/unit/kernels/simd/simd_probe.h"

namespace sextant {
namespace {

template <typename V>
void ExpAll(const float* x, float* y, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) V::Exp(V::Load(x + i)).Store(y + i);
  if (i < count) V::Exp(V::LoadPartial(x + i, count - i)).StorePartial(y + i, count - i);
}

template <typename V>
void RoundAll(const float* x, float* rounded, Bf16* stored, float* reloaded, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) {
    const V v = V::Load(x + i);
    v.RoundToBf16().Store(rounded + i);
    v.Store(stored + i);
    V::Load(stored + i).Store(reloaded + i);
  }
  if (const std::int64_t rest = count - i; rest > 0) {
    const V v = V::LoadPartial(x + i, rest);
    v.RoundToBf16().StorePartial(rounded + i, rest);
    v.StorePartial(stored + i, rest);
    V::LoadPartial(stored + i, rest).StorePartial(reloaded + i, rest);
  }
}

template <typename V>
void TransposeSquare(float* square) {
  V rows[V::kLanes];
  for (int i = 0; i < V::kLanes; ++i) rows[i] = V::Load(square + i * V::kLanes);
  V::Transpose(rows);
  for (int i = 0; i < V::kLanes; ++i) rows[i].Store(square + i * V::kLanes);
}

template <typename V>
SimdProbe ProbeOf() {
  return {V::kLanes,
          &ExpAll<V>,
          &RoundAll<V>,
          [](const float* x) { return V::Load(x).ReduceAdd(); },
          [](const float* x) { return V::Load(x).ReduceMax(); },
          &TransposeSquare<V>,
          [](const float* x, float* low, float* high) { V::Load(x).StoreHalves(low, high); }};
}

}  // namespace
}  // namespace sextant
