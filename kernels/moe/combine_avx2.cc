#include "kernels/moe/combine_impl.h"
#include "kernels/simd/simd_avx2.h"

namespace sextant {

void CombineAvx2(const CombineRows& rows) { CombineAnyPrecision<F32x8>(rows); }

}  // namespace sextant
