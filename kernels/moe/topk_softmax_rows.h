// What the versions of TopkSoftmax share: a checked, plain description of some of its rows.
#pragma once

#include <cstdint>

namespace sextant {

struct TopkSoftmaxRows {
  const float* gate_logits;
  std::int64_t logits_stride;
  std::int64_t tokens;
  std::int64_t experts;
  std::int64_t chosen;
  std::int64_t groups;
  std::int64_t kept_groups;
  bool normalise;
  float scale;
  float* weights;
  std::int64_t weights_stride;
  std::int32_t* expert_ids;
  std::int64_t ids_stride;
};

void TopkSoftmaxReference(const TopkSoftmaxRows& rows);
void TopkSoftmaxAvx2(const TopkSoftmaxRows& rows);
void TopkSoftmaxAvx512(const TopkSoftmaxRows& rows);

}  // namespace sextant
