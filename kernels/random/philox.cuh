// Philox4x32-10 of a counter of 64 bits, keyed by a seed: random bits as kernels/sampling/philox.h
// defines them.
#pragma once

#include "kernels/cuda/device.h"

namespace sextant {

struct PhiloxWords {
  std::uint32_t w[4];
};

__device__ inline PhiloxWords PhiloxAt(std::uint64_t seed, std::uint64_t position) {
  PhiloxWords counter = {
      {static_cast<std::uint32_t>(position), static_cast<std::uint32_t>(position >> 32), 0, 0}};
  std::uint32_t key[2] = {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53} * counter.w[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * counter.w[2];
    counter.w[0] = static_cast<std::uint32_t>(product1 >> 32) ^ counter.w[1] ^ key[0];
    counter.w[2] = static_cast<std::uint32_t>(product0 >> 32) ^ counter.w[3] ^ key[1];
    counter.w[1] = static_cast<std::uint32_t>(product1);
    counter.w[3] = static_cast<std::uint32_t>(product0);
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

}  // namespace sextant
