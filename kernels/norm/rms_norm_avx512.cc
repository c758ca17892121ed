#include "kernels/norm/rms_norm_impl.h"
#include "kernels/simd/simd_avx512.h"

namespace sextant {

void RmsNormRowAvx512(const RmsNormRow& row) { NormRow<F32x16>(row); }

}  // namespace sextant
