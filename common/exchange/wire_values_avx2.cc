#include <immintrin.h>

#include "common/exchange/wire_values.h"

namespace sextant::internal {

void PackBf16Avx2(const float* from, std::int64_t count, std::uint8_t* to) {
  for (std::int64_t i = 0; i + 16 <= count; i += 16) {
    const auto* source = reinterpret_cast<const __m256i*>(from + i);
    const __m256i low = _mm256_srli_epi32(_mm256_loadu_si256(source), 16);
    const __m256i high = _mm256_srli_epi32(_mm256_loadu_si256(source + 1), 16);
    // The pack works within 128-bit lanes: put its quarters back in order.
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xD8);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i * 2), packed);
  }
}

void UnpackBf16Avx2(const std::uint8_t* from, std::int64_t count, float* to) {
  for (std::int64_t i = 0; i + 16 <= count; i += 16) {
    const auto* source = reinterpret_cast<const __m128i*>(from + i * 2);
    auto* target = reinterpret_cast<__m256i*>(to + i);
    const __m256i low = _mm256_cvtepu16_epi32(_mm_loadu_si128(source));
    const __m256i high = _mm256_cvtepu16_epi32(_mm_loadu_si128(source + 1));
    _mm256_storeu_si256(target, _mm256_slli_epi32(low, 16));
    _mm256_storeu_si256(target + 1, _mm256_slli_epi32(high, 16));
  }
}

}  // namespace sextant::internal
