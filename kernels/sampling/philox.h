// Philox4x32-10: random numbers as a pure function of a counter and a key, so that a draw depends
// on (seed, position) alone, never on how many draws came before it.
//
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
// section 3.3 and table 2 (multipliers and Weyl constants).
#pragma once

#include <array>
#include <cstdint>

namespace sextant {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

[[nodiscard]] PhiloxCounter Philox4x32(PhiloxCounter counter, PhiloxKey key);

// Uniform in [0, 1) with 53 random bits.
[[nodiscard]] double UniformDraw(std::uint64_t seed, std::uint64_t position);

}  // namespace sextant
