#include "kernels/mla/mla_backend.h"

#include "common/base/check.h"

namespace sextant {

MlaKernels KernelsFor(Backend backend, Precision precision, DType weight) {
  const bool round = precision == Precision::kBf16;
  if (backend == Backend::kCpuAvx2) return MlaKernelsAvx2(round);
  CHECK(backend != Backend::kReference);
  const bool has_pairs = backend == Backend::kCpuAvx512Bf16 && weight == DType::kBf16;
  return MlaKernelsAvx512(round, round && has_pairs);
}

LatentRows RowsOf(const LatentCacheView& cache, absl::Span<const std::int32_t> blocks,
                  std::int64_t rank) {
  return {.data = cache.data,
          .is_bf16 = cache.dtype == DType::kBf16,
          .blocks = blocks.data(),
          .block_tokens = cache.block_tokens,
          .width = cache.width,
          .rank = rank};
}

}  // namespace sextant
