#include "kernels/moe/combine_impl.h"
#include "kernels/simd/simd_avx512.h"

namespace sextant {

void CombineAvx512(const CombineRows& rows) { CombineAnyPrecision<F32x16>(rows); }

}  // namespace sextant
