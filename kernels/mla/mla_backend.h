// What prefill and decode ask of a backend.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "common/device/backend.h"
#include "common/tensor/dtype.h"
#include "common/tensor/precision.h"
#include "kernels/mla/latent_cache.h"
#include "kernels/mla/mla_kernels.h"

namespace sextant {

// The kernels of a backend other than kReference. The choice depends on nothing that varies
// between the calls of a model, so a profile has one order of arithmetic.
[[nodiscard]] MlaKernels KernelsFor(Backend backend, Precision precision, DType weight);

[[nodiscard]] LatentRows RowsOf(const LatentCacheView& cache, absl::Span<const std::int32_t> blocks,
                                std::int64_t rank);

}  // namespace sextant
