// Combine for any vector type of kernels/simd; included by one *_avx2.cc and one *_avx512.cc.
#pragma once

#include <cstdint>

#include "kernels/moe/combine_rows.h"

namespace sextant {
namespace {

// The lanes of one token at column h, read and written through `load` and `store`.
template <typename V, bool kRound, typename Load>
[[gnu::always_inline]] inline V CombineLanes(const CombineRows& rows, std::int64_t t,
                                             std::int64_t h, const Load& load) {
  const auto round = [](V x) {
    if constexpr (kRound) return x.RoundToBf16();
    return x;
  };
  const std::int32_t* output_row = rows.output_row + t * rows.chosen;
  const float* weights = rows.weights + t * rows.weights_stride;
  V sum = V::Zero();
  for (std::int64_t k = 0; k < rows.chosen; ++k) {
    const float* out = rows.expert_out + output_row[k] * rows.expert_stride + h;
    sum = V::Fma(V::Broadcast(weights[k]), load(out), sum);
  }
  V y = round(sum);
  if (rows.shared_out != nullptr) {
    y = round(y + load(rows.shared_out + t * rows.shared_stride + h));
  }
  return round(y + load(rows.residual + t * rows.residual_stride + h));
}

template <typename V, bool kRound>
void CombineTokens(const CombineRows& rows) {
  for (std::int64_t t = 0; t < rows.tokens; ++t) {
    float* residual = rows.residual + t * rows.residual_stride;
    std::int64_t h = 0;
    for (; h + V::kLanes <= rows.hidden; h += V::kLanes) {
      CombineLanes<V, kRound>(rows, t, h, [](const float* from) {
        return V::Load(from);
      }).Store(residual + h);
    }
    const std::int64_t rest = rows.hidden - h;
    if (rest == 0) continue;
    CombineLanes<V, kRound>(rows, t, h, [rest](const float* from) {
      return V::LoadPartial(from, rest);
    }).StorePartial(residual + h, rest);
  }
}

template <typename V>
void CombineAnyPrecision(const CombineRows& rows) {
  if (rows.round_to_bf16) {
    CombineTokens<V, true>(rows);
  } else {
    CombineTokens<V, false>(rows);
  }
}

}  // namespace
}  // namespace sextant
