#include "kernels/mla/bf16_pair_arithmetic_avx512.h"
#include "kernels/mla/mla_kernels_impl.h"
#include "kernels/mla/unit_arithmetic.h"
#include "kernels/simd/simd_avx512.h"

namespace sextant {

MlaKernels MlaKernelsAvx512(bool round, bool bf16_pairs) {
  if (bf16_pairs) return KernelsOf<Bf16Pairs>();
  return round ? KernelsOf<F32Units<F32x16, true>>() : KernelsOf<F32Units<F32x16, false>>();
}

}  // namespace sextant
