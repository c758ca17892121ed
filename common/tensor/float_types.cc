#include "common/tensor/float_types.h"

#include <cmath>

namespace sextant {

float ToFloat(Fp16 value) {
  const std::uint32_t sign = static_cast<std::uint32_t>(value.bits & 0x8000U) << 16;
  const std::uint32_t exponent = (value.bits >> 10) & 0x1fU;
  const std::uint32_t mantissa = value.bits & 0x3ffU;
  if (exponent == 0x1fU) {
    return std::bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
  }
  if (exponent == 0) {  // zero and subnormals: mantissa * 2^-24, exact in f32
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112U) << 23) | (mantissa << 13));
}

Fp16 ToFp16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const float magnitude = std::fabs(value);
  const auto with_sign = [sign](std::uint32_t rest) {
    return Fp16{static_cast<std::uint16_t>(sign | rest)};
  };
  if (std::isnan(value)) return with_sign(0x7e00U);
  if (magnitude >= 65520.0F) return with_sign(0x7c00U);  // rounds past the largest finite value
  if (magnitude < 0x1p-14F) {                            // subnormal: units of 2^-24, nearest even
    return with_sign(static_cast<std::uint32_t>(std::nearbyint(magnitude * 0x1p24F)));
  }
  const std::uint32_t rebased = (bits & 0x7fffffffU) - (112U << 23);
  return with_sign((rebased + 0xfffU + ((rebased >> 13) & 1U)) >> 13);
}

}  // namespace sextant
