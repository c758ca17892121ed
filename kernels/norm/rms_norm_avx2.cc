#include "kernels/norm/rms_norm_impl.h"
#include "kernels/simd/simd_avx2.h"

namespace sextant {

void RmsNormRowAvx2(const RmsNormRow& row) { NormRow<F32x8>(row); }

}  // namespace sextant
