#include "kernels/simd/simd_avx512.h"
#include "tests/unit/kernels/simd/simd_probe_impl.h"

namespace sextant {

SimdProbe ProbeAvx512() { return ProbeOf<F32x16>(); }

}  // namespace sextant
