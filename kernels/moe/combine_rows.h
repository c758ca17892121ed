// What the versions of Combine share: a checked, plain description of some of its rows.
#pragma once

#include <cstdint>

namespace sextant {

struct CombineRows {
  const float* expert_out;
  std::int64_t expert_stride;
  const std::int32_t* output_row;  // [tokens * chosen]
  const float* weights;
  std::int64_t weights_stride;
  const float* shared_out;  // nullptr without shared experts
  std::int64_t shared_stride;
  float* residual;
  std::int64_t residual_stride;
  std::int64_t tokens;
  std::int64_t chosen;
  std::int64_t hidden;
  bool round_to_bf16;
};

void CombineReference(const CombineRows& rows);
void CombineAvx2(const CombineRows& rows);
void CombineAvx512(const CombineRows& rows);

}  // namespace sextant
