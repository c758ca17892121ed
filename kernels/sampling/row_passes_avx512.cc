#include <cstdint>

#include "kernels/simd/simd_avx512.h"

namespace sextant {
namespace {

[[gnu::always_inline]] inline F32x16 AtLeast(F32x16 x, F32x16 bound, F32x16 then,
                                             F32x16 otherwise) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x.v, bound.v, _CMP_GE_OQ), otherwise.v, then.v)};
}

[[gnu::always_inline]] inline void StoreWhole(F32x16 x, std::uint16_t* to) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                      _mm512_cvtepi32_epi16(_mm512_cvttps_epi32(x.v)));
}

}  // namespace
}  // namespace sextant

#include "kernels/sampling/row_passes_impl.h"

namespace sextant {

const RowPasses& RowPassesAvx512() { return kRowPassesOf<F32x16>; }

}  // namespace sextant
