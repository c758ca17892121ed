// Sixteen bytes, the widest that one load or store moves, and where a thread's share of a row lies.
#pragma once

#include <cstdint>

namespace sextant {

struct alignas(16) Words4 {
  std::uint32_t w[4];
};

inline constexpr int kWarpSize = 32;
inline constexpr int kBf16PerWords = 8;

}  // namespace sextant
