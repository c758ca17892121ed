// The 16-bit floating-point formats as storage types, and their exact conversions.
//
// Bf16 is the upper half of an IEEE f32; rounding is to nearest, ties to even, and a NaN stays a
// NaN. Fp16 is IEEE binary16. Both are plain 16-bit storage: arithmetic happens in f32.
#pragma once

#include <bit>
#include <cstdint>

namespace sextant {

struct Bf16 {
  std::uint16_t bits;
  friend bool operator==(Bf16, Bf16) = default;
};

struct Fp16 {
  std::uint16_t bits;
  friend bool operator==(Fp16, Fp16) = default;
};

[[gnu::always_inline]] inline float ToFloat(Bf16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

[[gnu::always_inline]] inline Bf16 ToBf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) {
    return Bf16{static_cast<std::uint16_t>((bits >> 16) | 0x40U)};
  }
  return Bf16{static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16)};
}

// The nearest value that bf16 can hold, as f32.
[[gnu::always_inline]] inline float RoundToBf16(float value) { return ToFloat(ToBf16(value)); }

[[nodiscard]] float ToFloat(Fp16 value);
[[nodiscard]] Fp16 ToFp16(float value);

}  // namespace sextant
