// One row of logits, walked by the threads of a block or of a warp, eight ids at a time.
#pragma once

#include <cmath>

#include "kernels/cuda/device.h"
#include "kernels/cuda/rank.cuh"
#include "kernels/cuda/vector.cuh"
#include "kernels/sampling/sample_steps.cuh"

namespace sextant {

// Heavier tokens, and of equal ones the lower id, have the greater place. Never 0.
__device__ __forceinline__ std::uint64_t PlaceOf(float logit, int id) {
  return static_cast<std::uint64_t>(RankOf(logit)) << 32 |
         (0xffffffffU - static_cast<unsigned>(id));
}
__device__ __forceinline__ int IdOfPlace(std::uint64_t place) {
  return static_cast<int>(0xffffffffU - static_cast<std::uint32_t>(place));
}
__device__ __forceinline__ float LogitOfPlace(std::uint64_t place) {
  return FloatOfRank(static_cast<std::uint32_t>(place >> 32));
}

struct LogitRow {
  const Bf16* logits;
  const float* adjusted;  // null: the logits as they are
  const std::uint32_t* banned;
  int vocab_size;

  // Those of ids first .. first + 7; what is banned or beyond the vocabulary is -inf.
  __device__ Floats8 Load(int first) const {
    Floats8 values;
    if (adjusted == nullptr) {
      values = Unpack(LoadWords(logits + first));
    } else {
      const Words4 low = LoadWords(adjusted + first);
      const Words4 high = LoadWords(adjusted + first + 4);
      for (int i = 0; i < 4; ++i) {
        values.v[i] = FloatFromBits(low.w[i]);
        values.v[i + 4] = FloatFromBits(high.w[i]);
      }
    }
    const std::uint32_t bits = banned == nullptr ? 0 : banned[first / 32] >> (first % 32);
    for (int i = 0; i < kBf16PerWords; ++i) {
      if (first + i >= vocab_size || (bits >> i & 1U) != 0) values.v[i] = -INFINITY;
    }
    return values;
  }

  // visit(id, logit) for this thread's share of ids [begin, end), of `threads` threads of which it
  // is number `thread`; begin is a multiple of 8. Ids that are not allowed are left out.
  template <typename Visit>
  __device__ void Walk(int begin, int end, int thread, int threads, Visit visit) const {
    const int last = end < vocab_size ? end : vocab_size;
    for (int first = begin + thread * kBf16PerWords; first < last;
         first += threads * kBf16PerWords) {
      const Floats8 values = Load(first);
      for (int i = 0; i < kBf16PerWords; ++i) {
        if (values.v[i] != -INFINITY) visit(first + i, values.v[i]);
      }
    }
  }
  template <typename Visit>
  __device__ void WalkAll(Visit visit) const {
    Walk(0, vocab_size, ThreadIndex(), ThreadCount(), visit);
  }
};

// Weights relative to the heaviest token, as whole numbers.
struct Weigher {
  float heaviest;
  float inverse_temperature;
  float lowest_shift;

  static constexpr float kOne = 0x1p44F;

  __device__ bool IsDropped(float logit) const { return logit - heaviest < lowest_shift; }
  __device__ std::uint64_t Weight(float logit) const {
    if (IsDropped(logit)) return 0;
    return static_cast<std::uint64_t>(expf((logit - heaviest) * inverse_temperature) * kOne);
  }
};

}  // namespace sextant
