#include <immintrin.h>

#include "kernels/ceiling/loops.h"

namespace sextant {
namespace {

template <class Vec, class MultiplyAdd>
[[gnu::always_inline]] inline float Multiply(std::int64_t rounds, Vec a, Vec b,
                                             MultiplyAdd multiply_add) {
  __m512 sums[24];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  for (std::int64_t round = 0; round < rounds; ++round) {
    asm volatile("" : "+v"(a), "+v"(b));  // values that the compiler does not know
#pragma GCC unroll 24
    for (int i = 0; i < 24; ++i) sums[i] = multiply_add(a, b, sums[i]);
  }
  for (int i = 1; i < 24; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  return _mm512_cvtss_f32(sums[0]);
}

}  // namespace

float ProductAvx512(std::int64_t rounds) {
  return Multiply(rounds, _mm512_set1_ps(0.5F), _mm512_set1_ps(0.25F),
                  [](__m512 a, __m512 b, __m512 sum) { return _mm512_fmadd_ps(a, b, sum); });
}

float ProductAvx512Bf16(std::int64_t rounds) {
  return Multiply(rounds, _mm512_set1_epi16(0x3f00), _mm512_set1_epi16(0x3e80),
                  [](__m512i a, __m512i b, __m512 sum) {
                    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a),
                                            reinterpret_cast<__m512bh>(b));
                  });
}

}  // namespace sextant
