// Where results are rounded.
//
// Activations always live in memory as f32. Under kBf16 a kernel rounds its results to the
// nearest bf16 at the points where DeepSeek's published code, run in bf16, would have done so;
// under kFp32 it never does, and weights are upcast: the oracle's mode.
#pragma once

#include <cstdint>

#include "common/tensor/dtype.h"

namespace sextant {

enum class Precision : std::uint8_t { kBf16, kFp32 };

// The element type of the latent cache, and of rows on the wire, under `precision`.
[[nodiscard]] inline DType StorageType(Precision precision) {
  return precision == Precision::kBf16 ? DType::kBf16 : DType::kFp32;
}

}  // namespace sextant
