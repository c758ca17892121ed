// What a GPU can do at best, to measure kernels against: reading memory, and multiplying matrices
// by the instruction that our kernels use.
//
// Stream:    asynchronous; who calls takes the time.
// Errors:    kInvalidArgument for sizes or pointers that do not fit; nothing is launched.
#pragma once

#include <cstdint>

#include "kernels/cuda/launch.h"

namespace sextant {

// Reads `bytes`, a multiple of 16, once. Each of `blocks` leaves the exclusive or of the 32-bit
// words that it read, which are those of all together in no particular division.
struct ReadCeilingCudaArgs {
  const void* from = nullptr;  // aligned to 16 bytes
  std::int64_t bytes = 0;
  std::int32_t blocks = 1;
  std::uint32_t* words = nullptr;  // [blocks] out
};
DeviceStatus ReadCeilingCuda(DeviceStream stream, const ReadCeilingCudaArgs& args);

// Runs mma.m16n8k16 on registers: kProductsOfARound a round and warp, kProductOperations each.
inline constexpr std::int64_t kCeilingWarps = 8;  // of a block
inline constexpr std::int64_t kProductsOfARound = 8;
inline constexpr std::int64_t kProductOperations = 2 * 16 * 8 * 16;
struct ProductCeilingCudaArgs {
  std::int32_t rounds = 1;
  std::int32_t blocks = 1;
  float* sums = nullptr;  // [blocks] out: 16 * rounds * kProductsOfARound
};
DeviceStatus ProductCeilingCuda(DeviceStream stream, const ProductCeilingCudaArgs& args);

}  // namespace sextant
