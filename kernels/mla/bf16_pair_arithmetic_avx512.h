// Arithmetic on units of two bf16 neighbours, multiplied and added by vdpbf16ps: for *_avx512.cc.
//
// The instruction adds both exact products of a pair to an f32 sum, lower one last, rounding to
// nearest at each addition and taking subnormals for zero.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "common/tensor/float_types.h"
#include "kernels/simd/simd_avx512.h"

namespace sextant {
namespace {

struct Bf16Pairs {
  using V = F32x16;
  static constexpr int kLanes = V::kLanes;
  static constexpr int kPerUnit = 2;
  static constexpr int kHeight = kLanes / 2;
  static constexpr bool kRound = true;

  [[gnu::always_inline]] static V MultiplyAdd(V a, V b, V sum) {
    return {
        _mm512_dpbf16_ps(sum.v, reinterpret_cast<__m512bh>(a.v), reinterpret_cast<__m512bh>(b.v))};
  }

  [[gnu::always_inline]] static V LoadUnits(const Bf16* row, std::int64_t unit,
                                            std::int64_t count) {
    return {_mm512_castsi512_ps(_mm512_maskz_loadu_epi32(Mask(count), row + 2 * unit))};
  }
  // f32 values that bf16 can hold.
  [[gnu::always_inline]] static V LoadUnits(const float* row, std::int64_t unit,
                                            std::int64_t count) {
    const float* from = row + 2 * unit;
    const __m512 low = _mm512_maskz_loadu_ps(Mask(2 * count), from);
    const __m512 high = _mm512_maskz_loadu_ps(Mask(2 * count - kLanes), from + kLanes);
    return {reinterpret_cast<__m512>(_mm512_cvtne2ps_pbh(high, low))};
  }

  [[gnu::always_inline]] static V Rounded(V x) { return x.RoundToBf16(); }

  [[gnu::always_inline]] static void StoreValues(float* row, std::int64_t col, V x,
                                                 std::int64_t count) {
    Bf16* to = reinterpret_cast<Bf16*>(row) + col;
    if (count >= kLanes) {
      x.Store(to);
    } else {
      x.StorePartial(to, count);
    }
  }

  [[gnu::always_inline]] static V Join(const V* rows) {
    const __m256i even = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(rows[0].v));
    const __m256i odd = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(rows[1].v));
    return Interleave(even, odd);
  }

  [[gnu::always_inline]] static V JoinRows(const float* const* rows, std::int64_t col,
                                           std::int64_t count) {
    const auto* even = reinterpret_cast<const Bf16*>(rows[0]) + col;
    const auto* odd = reinterpret_cast<const Bf16*>(rows[1]) + col;
    return Interleave(_mm256_maskz_loadu_epi16(Mask(count), even),
                      _mm256_maskz_loadu_epi16(Mask(count), odd));
  }

 private:
  // All lanes for counts of kLanes and more, none for counts of 0 and less.
  [[gnu::always_inline]] static __mmask16 Mask(std::int64_t count) {
    if (count >= kLanes) return static_cast<__mmask16>(0xffff);
    return count <= 0 ? static_cast<__mmask16>(0) : static_cast<__mmask16>((1U << count) - 1U);
  }
  [[gnu::always_inline]] static V Interleave(__m256i even, __m256i odd) {
    const __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16);
    return {_mm512_castsi512_ps(_mm512_or_si512(_mm512_cvtepu16_epi32(even), high))};
  }
};

}  // namespace
}  // namespace sextant
