#include <immintrin.h>

#include "kernels/ceiling/loops.h"

namespace sextant {

float ProductAvx512(std::int64_t rounds) {
  __m512 sums[24];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  __m512 a = _mm512_set1_ps(0.5F);
  __m512 b = _mm512_set1_ps(0.25F);
  for (std::int64_t round = 0; round < rounds; ++round) {
    asm volatile("" : "+v"(a), "+v"(b));  // values that the compiler does not know
#pragma GCC unroll 24
    for (int i = 0; i < 24; ++i) sums[i] = _mm512_fmadd_ps(a, b, sums[i]);
  }
  for (int i = 1; i < 24; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  return _mm512_cvtss_f32(sums[0]);
}

float ProductAvx512Bf16(std::int64_t rounds) {
  __m512 sums[24];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  __m512i a = _mm512_set1_epi16(0x3f00);
  __m512i b = _mm512_set1_epi16(0x3e80);
  for (std::int64_t round = 0; round < rounds; ++round) {
    asm volatile("" : "+v"(a), "+v"(b));  // values that the compiler does not know
#pragma GCC unroll 24
    for (int i = 0; i < 24; ++i) {
      sums[i] =
          _mm512_dpbf16_ps(sums[i], reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
    }
  }
  for (int i = 1; i < 24; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  return _mm512_cvtss_f32(sums[0]);
}

}  // namespace sextant
