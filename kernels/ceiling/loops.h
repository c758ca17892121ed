// The loops that MeasureCeilings times: nothing but reads, nothing but arithmetic.
#pragma once

#include <cstdint>

namespace sextant {

// Reads `bytes`, a multiple of 4096, in order, touching memory `ahead` bytes before it is read (0:
// leaves that to the processor). The sum of what was read, so that the reads stay.
using ReadLoop = std::int64_t (*)(const char* data, std::int64_t bytes, std::int64_t ahead);
std::int64_t ReadAvx2(const char* data, std::int64_t bytes, std::int64_t ahead);

// Multiplies and adds in registers for `rounds` rounds; gives a value that depends on all of it.
using ProductLoop = float (*)(std::int64_t rounds);
float ProductAvx2(std::int64_t rounds);
float ProductAvx512(std::int64_t rounds);
float ProductAvx512Bf16(std::int64_t rounds);
inline constexpr std::int64_t kFlopsPerRoundAvx2 = 12 * 8 * 2;
inline constexpr std::int64_t kFlopsPerRoundAvx512 = 24 * 16 * 2;
inline constexpr std::int64_t kFlopsPerRoundAvx512Bf16 = 24 * 32 * 2;

}  // namespace sextant
