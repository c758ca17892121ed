// The sizes of multi-head latent attention, and the checks that its kernels share.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/tensor/matrix_view.h"
#include "common/tensor/precision.h"
#include "kernels/mla/latent_cache.h"

namespace sextant {

// All four widths are even. DeepSeek-V2-Lite: 16 heads, 128, 64, 128, 512.
struct MlaDims {
  std::int64_t num_heads = 0;  // N
  std::int64_t nope = 0;       // width of a head's part without rotation
  std::int64_t rope = 0;       // width of its rotated part
  std::int64_t v = 0;          // width of its value
  std::int64_t rank = 0;       // R, width of a latent

  [[nodiscard]] std::int64_t q_width() const { return nope + rope; }
  [[nodiscard]] std::int64_t cache_width() const { return rank + rope; }
};

// Whether the cache and kv_b [N * (nope + v), R] fit `dims` and `precision`.
[[nodiscard]] absl::Status CheckMlaShapes(const MlaDims& dims, const LatentCacheView& cache,
                                          const WeightView& kv_b, Precision precision);

// Whether `blocks` covers `length` positions with blocks that the cache has.
[[nodiscard]] absl::Status CheckBlockTable(absl::Span<const std::int32_t> blocks,
                                           std::int64_t length, const LatentCacheView& cache);

}  // namespace sextant
