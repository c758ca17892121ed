// One row of either norm operation, per backend: what rms_norm.cc shares out over threads.
#pragma once

#include <cstdint>

#include "common/tensor/matrix_view.h"

namespace sextant {

struct RmsNormRow {
  const float* x;      // H values
  const float* delta;  // H values to add to x first, or null
  float* sum;          // where x + delta goes; unused when delta is null
  WeightView weight;   // [1, H]
  float eps;
  float* y;           // H values out
  std::int64_t cols;  // H
  bool round;         // Precision::kBf16
};

void RmsNormRowReference(const RmsNormRow& row);
void RmsNormRowAvx2(const RmsNormRow& row);
void RmsNormRowAvx512(const RmsNormRow& row);

}  // namespace sextant
