// What the launches of kernels check of their arguments.
#pragma once

#include <cstdint>

#include "kernels/cuda/words.h"

namespace sextant {

// Where 16-byte loads and stores may begin.
[[nodiscard]] inline bool IsAligned(const void* data) {
  return data != nullptr && reinterpret_cast<std::uintptr_t>(data) % sizeof(Words4) == 0;
}

// Rows of `cols` 16-bit values, each of which begins at such a place.
[[nodiscard]] inline bool AreVectorRows(const void* data, std::int64_t stride, std::int64_t cols) {
  return IsAligned(data) && stride >= cols && stride % kBf16PerWords == 0;
}

}  // namespace sextant
