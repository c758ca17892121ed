// The sizes of steps that are captured as graphs: few, so that few are captured, and near enough to
// each other that little is computed in vain.
#pragma once

#include <cstdint>

namespace sextant {

// The rows of the graph for a step of so many rows, at most `most`: 1, 2, 4, then multiples of 8 up
// to 64, of 16 up to 128, of 32 up to 256, of 64 beyond. Needs 1 <= rows <= most.
[[nodiscard]] std::int64_t GraphRows(std::int64_t rows, std::int64_t most);

}  // namespace sextant
