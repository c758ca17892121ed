// Eight f32 lanes of AVX2 with FMA: the vector type of every *_avx2.cc.
//
// An operation is written once as a template over the vector type, in an _impl.h, and given this
// type in x_avx2.cc and F32x16 in x_avx512.cc.
//
// Numerics:  Exp is within 2 ulp; it gives 0 below -104 (and at -inf), inf above 88.73, NaN for
//            NaN. ReduceAdd adds halves, then quarters, then eighths: a fixed tree. Conversion to
//            bf16 rounds to nearest, ties to even.
// Ownership: for *_avx2.cc only. The type is in an anonymous namespace, so nothing instantiated
//            with it can become the copy that the linker keeps for the whole program.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "common/tensor/float_types.h"

namespace sextant {
namespace {

struct F32x8 {
  static constexpr int kLanes = 8;
  __m256 v;

  [[gnu::always_inline]] static F32x8 Zero() { return {_mm256_setzero_ps()}; }
  [[gnu::always_inline]] static F32x8 Broadcast(float x) { return {_mm256_set1_ps(x)}; }

  [[gnu::always_inline]] static F32x8 Load(const float* from) { return {_mm256_loadu_ps(from)}; }
  [[gnu::always_inline]] static F32x8 Load(const Bf16* from) {
    return Widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  // The first `count` < kLanes lanes; the others are 0.
  [[gnu::always_inline]] static F32x8 LoadPartial(const float* from, std::int64_t count) {
    return {_mm256_maskload_ps(from, Mask(count))};
  }
  [[gnu::always_inline]] static F32x8 LoadPartial(const Bf16* from, std::int64_t count) {
    alignas(16) Bf16 lanes[kLanes] = {};
    for (std::int64_t i = 0; i < count; ++i) lanes[i] = from[i];
    return Load(lanes);
  }

  [[gnu::always_inline]] void Store(float* to) const { _mm256_storeu_ps(to, v); }
  [[gnu::always_inline]] void Store(Bf16* to) const {
    const __m256i high = _mm256_srli_epi32(RoundedBits(), 16);
    const __m128i packed =
        _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), packed);
  }
  [[gnu::always_inline]] void StorePartial(float* to, std::int64_t count) const {
    _mm256_maskstore_ps(to, Mask(count), v);
  }
  [[gnu::always_inline]] void StorePartial(Bf16* to, std::int64_t count) const {
    alignas(16) Bf16 lanes[kLanes];
    Store(lanes);
    for (std::int64_t i = 0; i < count; ++i) to[i] = lanes[i];
  }

  [[gnu::always_inline]] friend F32x8 operator+(F32x8 a, F32x8 b) {
    return {_mm256_add_ps(a.v, b.v)};
  }
  [[gnu::always_inline]] friend F32x8 operator-(F32x8 a, F32x8 b) {
    return {_mm256_sub_ps(a.v, b.v)};
  }
  [[gnu::always_inline]] friend F32x8 operator*(F32x8 a, F32x8 b) {
    return {_mm256_mul_ps(a.v, b.v)};
  }
  [[gnu::always_inline]] friend F32x8 operator/(F32x8 a, F32x8 b) {
    return {_mm256_div_ps(a.v, b.v)};
  }
  // a * b + c, rounded once.
  [[gnu::always_inline]] static F32x8 Fma(F32x8 a, F32x8 b, F32x8 c) {
    return {_mm256_fmadd_ps(a.v, b.v, c.v)};
  }
  [[gnu::always_inline]] static F32x8 Max(F32x8 a, F32x8 b) { return {_mm256_max_ps(a.v, b.v)}; }

  [[gnu::always_inline]] F32x8 RoundToBf16() const {
    const __m256i low = _mm256_set1_epi32(0xffff);
    return {_mm256_castsi256_ps(_mm256_andnot_si256(low, RoundedBits()))};
  }

  // The lower four lanes to `low`, the upper four to `high`.
  [[gnu::always_inline]] void StoreHalves(float* low, float* high) const {
    _mm_storeu_ps(low, _mm256_castps256_ps128(v));
    _mm_storeu_ps(high, _mm256_extractf128_ps(v, 1));
  }

  // Lane j of rows[i] becomes lane i of rows[j]; any 32-bit pattern survives.
  [[gnu::always_inline]] static void Transpose(F32x8 (&rows)[8]) {
    __m256 pairs[8];
    for (int i = 0; i < 8; i += 2) {
      pairs[i] = _mm256_unpacklo_ps(rows[i].v, rows[i + 1].v);
      pairs[i + 1] = _mm256_unpackhi_ps(rows[i].v, rows[i + 1].v);
    }
    __m256 quads[8];
    for (int i = 0; i < 8; i += 4) {
      quads[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
      quads[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
      quads[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
      quads[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
    }
    for (int i = 0; i < 4; ++i) {
      rows[i].v = _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x20);
      rows[i + 4].v = _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x31);
    }
  }

  [[gnu::always_inline]] float ReduceAdd() const {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  [[gnu::always_inline]] float ReduceMax() const {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }

  // exp(x) = 2^n exp(r), |r| <= ln(2)/2, with the Taylor polynomial of degree 7 (its remainder is
  // 5e-9) and ln(2) in two parts, so that r is exact to f32.
  [[gnu::always_inline]] static F32x8 Exp(F32x8 x) {
    // The clamped operand comes second: min and max return it when it is NaN.
    const __m256 c =
        _mm256_min_ps(_mm256_set1_ps(89.0F), _mm256_max_ps(_mm256_set1_ps(-104.0F), x.v));
    const __m256 n = _mm256_round_ps(_mm256_mul_ps(c, _mm256_set1_ps(1.44269504F)),
                                     _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693145752F), c);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(1.42860677e-6F), r);
    __m256 p = _mm256_set1_ps(1.0F / 5040.0F);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 720.0F));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 120.0F));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 24.0F));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 6.0F));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5F));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F));
    // 2^n in two factors: n reaches -150 and 128, which one exponent field cannot hold.
    const __m256i whole = _mm256_cvtps_epi32(n);
    const __m256i half = _mm256_srai_epi32(whole, 1);
    return {_mm256_mul_ps(_mm256_mul_ps(p, PowerOfTwo(half)),
                          PowerOfTwo(_mm256_sub_epi32(whole, half)))};
  }

 private:
  [[gnu::always_inline]] static F32x8 Widen(__m128i bf16) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bf16), 16))};
  }
  [[gnu::always_inline]] static __m256i Mask(std::int64_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
  }
  [[gnu::always_inline]] static __m256 PowerOfTwo(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
  }
  // The bits whose upper half is the nearest bf16; a NaN keeps its sign and stays quiet.
  [[gnu::always_inline]] __m256i RoundedBits() const {
    const __m256i bits = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded =
        _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i nan = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256 is_nan = _mm256_cmp_ps(v, v, _CMP_UNORD_Q);
    return _mm256_blendv_epi8(rounded, nan, _mm256_castps_si256(is_nan));
  }
};

}  // namespace
}  // namespace sextant
