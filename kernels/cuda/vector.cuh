// Eight bf16 values, which one load moves, as f32 and back.
#pragma once

#include "kernels/cuda/device.h"

namespace sextant {

struct Floats8 {
  float v[kBf16PerWords];
};

__device__ __forceinline__ Floats8 Unpack(const Words4& words) {
  Floats8 values;
  for (int i = 0; i < 4; ++i) {
    values.v[2 * i] = FloatFromBits(words.w[i] << 16);
    values.v[2 * i + 1] = FloatFromBits(words.w[i] & 0xffff0000U);
  }
  return values;
}

// Rounds to nearest.
__device__ __forceinline__ Words4 Pack(const Floats8& values) {
  Words4 words;
  for (int i = 0; i < 4; ++i) words.w[i] = PackBf16(values.v[2 * i], values.v[2 * i + 1]);
  return words;
}

// The nearest value that bf16 can hold.
__device__ __forceinline__ float RoundedToBf16(float value) { return Widen(NarrowToBf16(value)); }

}  // namespace sextant
