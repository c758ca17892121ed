// Values between memory, where they are f32, and the wire, where they are bf16 or f32,
// little-endian and at any address.
//
// Numerics:  bf16 keeps the upper half of an f32: nothing is rounded. Only values that bf16 can
//            hold may be packed as bf16; then both directions are exact, NaN payloads included.
#pragma once

#include <cstdint>

#include "common/tensor/dtype.h"

namespace sextant {

// `type` is kBf16 or kFp32. `to` has room for count * BytesOf(type) bytes.
void PackValues(const float* from, std::int64_t count, DType type, std::uint8_t* to);

void UnpackValues(const std::uint8_t* from, std::int64_t count, DType type, float* to);

namespace internal {

// The loops of one instruction set; they leave the last count % 16 values to the caller.
void PackBf16Avx2(const float* from, std::int64_t count, std::uint8_t* to);
void UnpackBf16Avx2(const std::uint8_t* from, std::int64_t count, float* to);

}  // namespace internal
}  // namespace sextant
