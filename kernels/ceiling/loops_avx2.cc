#include <immintrin.h>

#include "kernels/ceiling/loops.h"

namespace sextant {

std::int64_t ReadAvx2(const char* data, std::int64_t bytes, std::int64_t ahead) {
  __m256i sums[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                     _mm256_setzero_si256()};
  for (std::int64_t at = 0; at < bytes; at += 128) {
    if (ahead > 0) {
      _mm_prefetch(data + at + ahead, _MM_HINT_T1);
      _mm_prefetch(data + at + ahead + 64, _MM_HINT_T1);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const auto* from = reinterpret_cast<const __m256i*>(data + at + 32 * i);
      sums[i] = _mm256_add_epi64(sums[i], _mm256_loadu_si256(from));
    }
  }
  const __m256i sum =
      _mm256_add_epi64(_mm256_add_epi64(sums[0], sums[1]), _mm256_add_epi64(sums[2], sums[3]));
  return _mm256_extract_epi64(sum, 0) + _mm256_extract_epi64(sum, 1) +
         _mm256_extract_epi64(sum, 2) + _mm256_extract_epi64(sum, 3);
}

float ProductAvx2(std::int64_t rounds) {
  __m256 sums[12];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  __m256 a = _mm256_set1_ps(0.5F);
  __m256 b = _mm256_set1_ps(0.25F);
  for (std::int64_t round = 0; round < rounds; ++round) {
    asm volatile("" : "+x"(a), "+x"(b));  // values that the compiler does not know
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) sums[i] = _mm256_fmadd_ps(a, b, sums[i]);
  }
  for (int i = 1; i < 12; ++i) sums[0] = _mm256_add_ps(sums[0], sums[i]);
  return _mm256_cvtss_f32(sums[0]);
}

}  // namespace sextant
