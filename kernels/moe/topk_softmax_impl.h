// TopkSoftmax for any vector type of kernels/simd; included by one *_avx2.cc and one *_avx512.cc.
//
// Order:     the total is summed lane by lane over E, then as ReduceAdd does: a function of the row
//            alone.
#pragma once

#include <cstdint>

#include "kernels/moe/topk_select.h"
#include "kernels/moe/topk_softmax_rows.h"

namespace sextant {
namespace {

// Lanes [begin, end) of `from`, those beyond filled with -inf: nothing to a maximum or a softmax.
template <typename V>
[[gnu::always_inline]] inline V LoadOrMinusInf(const float* from, std::int64_t begin,
                                               std::int64_t end) {
  if (end - begin >= V::kLanes) return V::Load(from + begin);
  alignas(64) float lanes[V::kLanes];
  for (std::int64_t i = 0; i < V::kLanes; ++i) {
    lanes[i] = begin + i < end ? from[begin + i] : -__builtin_inff();
  }
  return V::Load(lanes);
}

template <typename V>
void TopkSoftmaxToken(const TopkSoftmaxRows& rows, const float* logits, float* weights,
                      std::int32_t* ids) {
  const std::int64_t weighted = SelectExperts(rows, logits, ids);
  const float heaviest = [&] {
    V max = V::Broadcast(-__builtin_inff());
    for (std::int64_t e = 0; e < rows.experts; e += V::kLanes) {
      max = V::Max(max, LoadOrMinusInf<V>(logits, e, rows.experts));
    }
    return max.ReduceMax();
  }();
  V total = V::Zero();
  for (std::int64_t e = 0; e < rows.experts; e += V::kLanes) {
    total = total + V::Exp(LoadOrMinusInf<V>(logits, e, rows.experts) - V::Broadcast(heaviest));
  }
  const V sum_of_all = V::Broadcast(total.ReduceAdd());
  float chosen_sum = 0.0F;
  for (std::int64_t k = 0; k < rows.chosen; k += V::kLanes) {
    const std::int64_t count = rows.chosen - k < V::kLanes ? rows.chosen - k : V::kLanes;
    alignas(64) float lanes[V::kLanes];
    for (std::int64_t i = 0; i < V::kLanes; ++i) {
      lanes[i] = i < count && k + i < weighted ? logits[ids[k + i]] : -__builtin_inff();
    }
    (V::Exp(V::Load(lanes) - V::Broadcast(heaviest)) / sum_of_all).Store(lanes);
    for (std::int64_t i = 0; i < count; ++i) {
      weights[k + i] = k + i < weighted ? lanes[i] : 0.0F;
      chosen_sum += weights[k + i];
    }
  }
  if (rows.normalise && rows.chosen > 1) {
    for (std::int64_t k = 0; k < rows.chosen; ++k) weights[k] /= chosen_sum + 1e-20F;
  } else {
    for (std::int64_t k = 0; k < rows.chosen; ++k) weights[k] *= rows.scale;
  }
}

template <typename V>
void TopkSoftmaxTokens(const TopkSoftmaxRows& rows) {
  for (std::int64_t t = 0; t < rows.tokens; ++t) {
    TopkSoftmaxToken<V>(rows, rows.gate_logits + t * rows.logits_stride,
                        rows.weights + t * rows.weights_stride,
                        rows.expert_ids + t * rows.ids_stride);
  }
}

}  // namespace
}  // namespace sextant
