#include "kernels/mla/mla_kernels_impl.h"
#include "kernels/mla/unit_arithmetic.h"
#include "kernels/simd/simd_avx2.h"

namespace sextant {

MlaKernels MlaKernelsAvx2(bool round) {
  return round ? KernelsOf<F32Units<F32x8, true>>() : KernelsOf<F32Units<F32x8, false>>();
}

}  // namespace sextant
