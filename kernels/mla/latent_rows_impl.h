// The rows of a sequence in the paged cache, as rows of units.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"
#include "kernels/mla/mla_kernels.h"

namespace sextant {
namespace {

template <typename A>
constexpr std::int64_t UnitsOf(std::int64_t values) {
  return values / A::kPerUnit;
}

// rows[i] = the row at position + i, for `count` rows; rows from `count` to `padded` repeat the
// last. Where units are f32 and the cache is bf16, they are copies in `widened`.
template <typename A>
void FindLatentRows(const LatentRows& latents, std::int64_t position, std::int64_t count,
                    std::int64_t padded, float* widened, const float** rows) {
  using V = typename A::V;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t p = position + i;
    const std::int64_t slot =
        latents.blocks[p / latents.block_tokens] * latents.block_tokens + p % latents.block_tokens;
    if (!latents.is_bf16) {
      rows[i] = static_cast<const float*>(latents.data) + slot * latents.width;
      continue;
    }
    const Bf16* row = static_cast<const Bf16*>(latents.data) + slot * latents.width;
    if constexpr (A::kPerUnit == 2) {
      rows[i] = reinterpret_cast<const float*>(row);
    } else {
      float* wide = widened + i * latents.width;
      std::int64_t col = 0;
      for (; col + V::kLanes <= latents.width; col += V::kLanes) {
        V::Load(row + col).Store(wide + col);
      }
      if (const std::int64_t rest = latents.width - col; rest > 0) {
        V::LoadPartial(row + col, rest).StorePartial(wide + col, rest);
      }
      rows[i] = wide;
    }
  }
  for (std::int64_t i = count; i < padded; ++i) rows[i] = rows[count - 1];
}

}  // namespace
}  // namespace sextant
