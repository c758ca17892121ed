// Which part of y a block of LinearCuda has: a matter of speed alone, the bits are the same.
#pragma once

#include <cstdint>

#include "kernels/cuda/launch.h"
#include "kernels/linear/linear_cuda.h"

namespace sextant {

// Outputs by rows.
enum class LinearTile : std::uint8_t {
  k32x16,    // one warp: few rows, and so few outputs that each block must be small
  k128x16,   // few rows, and outputs for every multiprocessor
  k64x64,    // more rows
  k128x128,  // as many as the tensor cores need
};
inline constexpr LinearTile kLinearTiles[] = {LinearTile::k32x16, LinearTile::k128x16,
                                              LinearTile::k64x64, LinearTile::k128x128};

[[nodiscard]] LinearTile ChooseLinearTile(std::int64_t rows, std::int64_t outputs);

// LinearCuda with this tile, for tests and measurements.
DeviceStatus LinearCudaWithTile(DeviceStream stream, const LinearCudaArgs& args, LinearTile tile);

}  // namespace sextant
