// The passes over a whole row of logits that sampling needs, one table per instruction set.
//
// Shapes:    rows are padded with -inf to a multiple of kRowPadding, which is what `count` is here.
// Order:     sums run lane by lane within a block of kBlock, then block by block in f64.
#pragma once

#include <cstdint>

namespace sextant {

inline constexpr std::int64_t kBlock = 512;
inline constexpr std::int64_t kRowPadding = 64;

// Weights are binned by their distance below the heaviest, in steps of 1/32 nat; the last bin
// takes what is lighter, and kDroppedBin what may not be sampled.
inline constexpr int kBins = 1024;
inline constexpr float kBinsPerNat = 32.0F;
inline constexpr int kDroppedBin = kBins;

struct HeaviestLogit {
  float logit;
  std::int64_t id;  // the lowest of equals
};

struct WeighArgs {
  const float* logits;
  std::int64_t count;
  float heaviest;
  float inverse_temperature;
  float lowest_shift;   // a logit less than this relative to the heaviest is dropped
  float* weights;       // out: exp((logit - heaviest) / temperature), 0 where dropped
  std::uint16_t* bins;  // out
};

struct RowPasses {
  // Copies `count` logits (any number), pads with -inf; false when one of them is not finite.
  bool (*copy_finite)(const float* from, std::int64_t count, float* to);
  HeaviestLogit (*find_heaviest)(const float* logits, std::int64_t count);
  void (*weigh)(const WeighArgs& args);
  // The sum of the weights of one block's logits that are at least `lightest`.
  double (*sum_block)(const float* logits, const float* weights, std::int64_t count,
                      float lightest);
  // The sum of exp(logit - heaviest).
  double (*sum_exp)(const float* logits, std::int64_t count, float heaviest);
  // The first multiple of kRowPadding, from `begin` on, whose run holds a logit above `bound`;
  // `count` when none does.
  std::int64_t (*find_run_above)(const float* logits, std::int64_t begin, std::int64_t count,
                                 float bound);
};

[[nodiscard]] const RowPasses& RowPassesAvx2();
[[nodiscard]] const RowPasses& RowPassesAvx512();

}  // namespace sextant
