// Sixteen f32 lanes of AVX-512 (F, BW, DQ, VL, BF16): the vector type of every *_avx512.cc.
//
// The same operations as F32x8 in simd_avx2.h, whose contract holds here too.
//
// Numerics:  as F32x8, but the processor's own conversion to bf16 takes a subnormal for zero.
// Ownership: for *_avx512.cc only, in an anonymous namespace as F32x8 is.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "common/tensor/float_types.h"

namespace sextant {
namespace {

struct F32x16 {
  static constexpr int kLanes = 16;
  __m512 v;

  [[gnu::always_inline]] static F32x16 Zero() { return {_mm512_setzero_ps()}; }
  [[gnu::always_inline]] static F32x16 Broadcast(float x) { return {_mm512_set1_ps(x)}; }

  [[gnu::always_inline]] static F32x16 Load(const float* from) { return {_mm512_loadu_ps(from)}; }
  [[gnu::always_inline]] static F32x16 Load(const Bf16* from) {
    return Widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  // The first `count` < kLanes lanes; the others are 0.
  [[gnu::always_inline]] static F32x16 LoadPartial(const float* from, std::int64_t count) {
    return {_mm512_maskz_loadu_ps(Mask(count), from)};
  }
  [[gnu::always_inline]] static F32x16 LoadPartial(const Bf16* from, std::int64_t count) {
    return Widen(_mm256_maskz_loadu_epi16(Mask(count), from));
  }

  [[gnu::always_inline]] void Store(float* to) const { _mm512_storeu_ps(to, v); }
  [[gnu::always_inline]] void Store(Bf16* to) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), Narrow());
  }
  [[gnu::always_inline]] void StorePartial(float* to, std::int64_t count) const {
    _mm512_mask_storeu_ps(to, Mask(count), v);
  }
  [[gnu::always_inline]] void StorePartial(Bf16* to, std::int64_t count) const {
    _mm256_mask_storeu_epi16(to, Mask(count), Narrow());
  }

  [[gnu::always_inline]] friend F32x16 operator+(F32x16 a, F32x16 b) {
    return {_mm512_add_ps(a.v, b.v)};
  }
  [[gnu::always_inline]] friend F32x16 operator-(F32x16 a, F32x16 b) {
    return {_mm512_sub_ps(a.v, b.v)};
  }
  [[gnu::always_inline]] friend F32x16 operator*(F32x16 a, F32x16 b) {
    return {_mm512_mul_ps(a.v, b.v)};
  }
  [[gnu::always_inline]] friend F32x16 operator/(F32x16 a, F32x16 b) {
    return {_mm512_div_ps(a.v, b.v)};
  }
  // a * b + c, rounded once.
  [[gnu::always_inline]] static F32x16 Fma(F32x16 a, F32x16 b, F32x16 c) {
    return {_mm512_fmadd_ps(a.v, b.v, c.v)};
  }
  [[gnu::always_inline]] static F32x16 Max(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }

  [[gnu::always_inline]] F32x16 RoundToBf16() const { return Widen(Narrow()); }

  // The lower eight lanes to `low`, the upper eight to `high`.
  [[gnu::always_inline]] void StoreHalves(float* low, float* high) const {
    _mm256_storeu_ps(low, _mm512_castps512_ps256(v));
    _mm256_storeu_ps(high, _mm512_extractf32x8_ps(v, 1));
  }

  // Lane j of rows[i] becomes lane i of rows[j]; any 32-bit pattern survives.
  [[gnu::always_inline]] static void Transpose(F32x16 (&rows)[16]) {
    __m512 pairs[16];
    for (int i = 0; i < 16; i += 2) {
      pairs[i] = _mm512_unpacklo_ps(rows[i].v, rows[i + 1].v);
      pairs[i + 1] = _mm512_unpackhi_ps(rows[i].v, rows[i + 1].v);
    }
    __m512 quads[16];
    for (int i = 0; i < 16; i += 4) {
      quads[i] = _mm512_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
      quads[i + 1] = _mm512_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
      quads[i + 2] = _mm512_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
      quads[i + 3] = _mm512_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
    }
    // quads[4 g + c] holds, in its quarter q, column 4 q + c of rows 4 g .. 4 g + 3.
    for (int c = 0; c < 4; ++c) {
      const __m512 a = _mm512_shuffle_f32x4(quads[c], quads[c + 4], 0x88);
      const __m512 b = _mm512_shuffle_f32x4(quads[c], quads[c + 4], 0xdd);
      const __m512 d = _mm512_shuffle_f32x4(quads[c + 8], quads[c + 12], 0x88);
      const __m512 e = _mm512_shuffle_f32x4(quads[c + 8], quads[c + 12], 0xdd);
      rows[c].v = _mm512_shuffle_f32x4(a, d, 0x88);
      rows[c + 8].v = _mm512_shuffle_f32x4(a, d, 0xdd);
      rows[c + 4].v = _mm512_shuffle_f32x4(b, e, 0x88);
      rows[c + 12].v = _mm512_shuffle_f32x4(b, e, 0xdd);
    }
  }

  [[gnu::always_inline]] float ReduceAdd() const {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  [[gnu::always_inline]] float ReduceMax() const {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }

  // The same polynomial as F32x8::Exp; the processor scales by 2^n over the whole range.
  [[gnu::always_inline]] static F32x16 Exp(F32x16 x) {
    const __m512 c =
        _mm512_min_ps(_mm512_set1_ps(89.0F), _mm512_max_ps(_mm512_set1_ps(-104.0F), x.v));
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(c, _mm512_set1_ps(1.44269504F)),
                                          _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693145752F), c);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(1.42860677e-6F), r);
    __m512 p = _mm512_set1_ps(1.0F / 5040.0F);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F / 720.0F));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F / 120.0F));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F / 24.0F));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F / 6.0F));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5F));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F));
    return {_mm512_scalef_ps(p, n)};
  }

 private:
  [[gnu::always_inline]] static F32x16 Widen(__m256i bf16) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16))};
  }
  [[gnu::always_inline]] __m256i Narrow() const {
    return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v));
  }
  [[gnu::always_inline]] static __mmask16 Mask(std::int64_t count) {
    return static_cast<__mmask16>((1U << count) - 1U);
  }
};

}  // namespace
}  // namespace sextant
