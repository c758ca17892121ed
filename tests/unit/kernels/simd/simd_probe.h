// The vector types of kernels/simd behind function pointers, so that the test itself is compiled
// without their instruction sets.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"

namespace sextant {

struct SimdProbe {
  int lanes;
  void (*exp)(const float* x, float* y, std::int64_t count);
  void (*round)(const float* x, float* rounded, Bf16* stored, float* reloaded, std::int64_t count);
  float (*reduce_add)(const float* x);
  float (*reduce_max)(const float* x);
  void (*transpose)(float* square);  // [lanes, lanes] in place
  void (*store_halves)(const float* x, float* low, float* high);
};

SimdProbe ProbeAvx2();
SimdProbe ProbeAvx512();

}  // namespace sextant
