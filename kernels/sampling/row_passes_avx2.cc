#include <cstdint>

#include "kernels/simd/simd_avx2.h"

namespace sextant {
namespace {

[[gnu::always_inline]] inline F32x8 AtLeast(F32x8 x, F32x8 bound, F32x8 then, F32x8 otherwise) {
  return {_mm256_blendv_ps(otherwise.v, then.v, _mm256_cmp_ps(x.v, bound.v, _CMP_GE_OQ))};
}

[[gnu::always_inline]] inline void StoreWhole(F32x8 x, std::uint16_t* to) {
  const __m256i whole = _mm256_cvttps_epi32(x.v);
  const __m128i packed =
      _mm_packus_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), packed);
}

}  // namespace
}  // namespace sextant

#include "kernels/sampling/row_passes_impl.h"

namespace sextant {

const RowPasses& RowPassesAvx2() { return kRowPassesOf<F32x8>; }

}  // namespace sextant
