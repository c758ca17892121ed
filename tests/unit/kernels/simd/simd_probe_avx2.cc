#include "kernels/simd/simd_avx2.h"
#include "tests/unit/kernels/simd/simd_probe_impl.h"

namespace sextant {

SimdProbe ProbeAvx2() { return ProbeOf<F32x8>(); }

}  // namespace sextant
