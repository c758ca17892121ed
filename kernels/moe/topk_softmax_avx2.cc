#include "kernels/moe/topk_softmax_impl.h"
#include "kernels/simd/simd_avx2.h"

namespace sextant {

void TopkSoftmaxAvx2(const TopkSoftmaxRows& rows) { TopkSoftmaxTokens<F32x8>(rows); }

}  // namespace sextant
