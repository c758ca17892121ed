#include "kernels/moe/topk_softmax_impl.h"
#include "kernels/simd/simd_avx512.h"

namespace sextant {

void TopkSoftmaxAvx512(const TopkSoftmaxRows& rows) { TopkSoftmaxTokens<F32x16>(rows); }

}  // namespace sextant
