#include "common/exchange/wire_values.h"

#include <bit>
#include <cstring>

#include "common/base/check.h"
#include "common/device/backend.h"

namespace sextant {
namespace {

static_assert(std::endian::native == std::endian::little, "memory is in the order of the wire");

constexpr std::int64_t kBlock = 16;  // values per step of the AVX2 loops

bool HasAvx2() {
  static const bool has = Supports(Backend::kCpuAvx2);
  return has;
}

void PackBf16(const float* from, std::int64_t count, std::uint8_t* to) {
  std::int64_t i = 0;
  if (HasAvx2()) {
    internal::PackBf16Avx2(from, count, to);
    i = count - count % kBlock;
  }
  for (; i < count; ++i) {
    const auto upper = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(from[i]) >> 16);
    std::memcpy(to + i * 2, &upper, sizeof(upper));
  }
}

void UnpackBf16(const std::uint8_t* from, std::int64_t count, float* to) {
  std::int64_t i = 0;
  if (HasAvx2()) {
    internal::UnpackBf16Avx2(from, count, to);
    i = count - count % kBlock;
  }
  for (; i < count; ++i) {
    std::uint16_t upper = 0;
    std::memcpy(&upper, from + i * 2, sizeof(upper));
    to[i] = std::bit_cast<float>(static_cast<std::uint32_t>(upper) << 16);
  }
}

}  // namespace

void PackValues(const float* from, std::int64_t count, DType type, std::uint8_t* to) {
  if (type == DType::kBf16) return PackBf16(from, count, to);
  CHECK(type == DType::kFp32);
  if (count > 0) std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(float));
}

void UnpackValues(const std::uint8_t* from, std::int64_t count, DType type, float* to) {
  if (type == DType::kBf16) return UnpackBf16(from, count, to);
  CHECK(type == DType::kFp32);
  if (count > 0) std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(float));
}

}  // namespace sextant
