// Operands for tests of device kernels: bf16 in memory, and the same values as f32 for the oracles.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "common/tensor/float_types.h"

namespace sextant {

inline std::vector<Bf16> NormalBf16(std::int64_t count, double deviation, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, static_cast<float>(deviation));
  std::vector<Bf16> values(static_cast<std::size_t>(count));
  for (Bf16& value : values) value = ToBf16(normal(generator));
  return values;
}

inline std::vector<float> Widened(const std::vector<Bf16>& values) {
  std::vector<float> floats;
  floats.reserve(values.size());
  for (const Bf16 value : values) floats.push_back(ToFloat(value));
  return floats;
}

// Rows [first, first + count) of packed rows of `cols` values.
template <typename T>
std::vector<T> RowsOf(const std::vector<T>& values, std::int64_t first, std::int64_t count,
                      std::int64_t cols) {
  return {values.begin() + first * cols, values.begin() + (first + count) * cols};
}

}  // namespace sextant
