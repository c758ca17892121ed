// Softmax attention of a tile of queries, which lie side by side in vector lanes: prefill's rows
// or decode's heads. Maxima, exponentials and sums then need no reduction across lanes.
#pragma once

#include <cstdint>

#include "kernels/mla/mla_kernels.h"
#include "kernels/mla/tile_product.h"

namespace sextant {
namespace {

// A window that starts at kHidden + 16 - n hides the first n lanes when added to scores.
constexpr float kNever = -__builtin_inff();
alignas(64) constexpr float kHidden[32] = {
    kNever, kNever, kNever, kNever, kNever, kNever, kNever, kNever, kNever, kNever, kNever,
    kNever, kNever, kNever, kNever, kNever, 0,      0,      0,      0,      0,      0,
    0,      0,      0,      0,      0,      0,      0,      0,      0,      0};

// Key s is hidden from the lanes whose query comes before it: lane l of vector j sees keys up to
// `first_limit` + j * kLanes + l, or only up to `first_limit` where all lanes share one limit.
struct Limits {
  std::int64_t first_limit;
  bool same_for_all;

  template <int kLanes>
  [[gnu::always_inline]] std::int64_t HiddenLanes(std::int64_t s, int j) const {
    const std::int64_t beyond = s - first_limit;
    if (beyond <= 0) return 0;
    if (same_for_all) return kLanes;
    const std::int64_t hidden = beyond - j * kLanes;
    return hidden < 0 ? 0 : hidden > kLanes ? kLanes : hidden;
  }
};

// scores[s][j][lane] for keys 0 .. count - 1 (a multiple of kHeight), and the largest of each lane,
// at least -3e38 so that a lane without keys gets weights of 0. `key_row(s)` is a row of units.
template <typename A, int kVectors, bool kRoundScores, typename KeyRow>
void Scores(KeyRow key_row, const Limits& limits, std::int64_t count, const float* packed_q,
            std::int64_t units, float scale, float* scores,
            Array<typename A::V, kVectors>& largest) {
  using V = typename A::V;
  constexpr int kLanes = A::kLanes;
  const V scales = V::Broadcast(scale);
  for (int j = 0; j < kVectors; ++j) largest[j] = V::Broadcast(-3e38F);
  for (std::int64_t s = 0; s < count; s += A::kHeight) {
    RowsLeft<V, A::kHeight> keys;
    for (int i = 0; i < A::kHeight; ++i) keys.rows[i] = key_row(s + i);
    Tile<V, A::kHeight, kVectors> sum;
    SetZero(sum);
    MultiplyAdd<A>(keys, LanesRight<V>{packed_q, units}, units, sum);
    const bool any_hidden = s + A::kHeight - 1 > limits.first_limit;
    for (int i = 0; i < A::kHeight; ++i) {
      for (int j = 0; j < kVectors; ++j) {
        V score =
            kRoundScores ? (sum[i][j].RoundToBf16() * scales).RoundToBf16() : sum[i][j] * scales;
        if (any_hidden) {
          const std::int64_t hidden = limits.HiddenLanes<kLanes>(s + i, j);
          if (hidden > 0) score = score + V::Load(kHidden + 16 - hidden);
        }
        largest[j] = V::Max(largest[j], score);
        score.Store(scores + ((s + i) * kVectors + j) * kLanes);
      }
    }
  }
}

// scores become exp(score - largest); `sum` of each lane in the order of the keys.
template <typename V, int kVectors>
void Exponentials(std::int64_t count, const Array<V, kVectors>& largest, float* scores,
                  Array<V, kVectors>& sum) {
  for (int j = 0; j < kVectors; ++j) sum[j] = V::Zero();
  for (std::int64_t s = 0; s < count; ++s) {
    for (int j = 0; j < kVectors; ++j) {
      float* score = scores + (s * kVectors + j) * V::kLanes;
      const V weight = V::Exp(V::Load(score) - largest[j]);
      weight.Store(score);
      sum[j] = sum[j] + weight;
    }
  }
}

// Weights of keys begin .. end - 1 times `factor`, rounded, into lanes of units.
template <typename A, int kVectors>
void PackWeights(const float* weights, std::int64_t begin, std::int64_t end,
                 const Array<typename A::V, kVectors>& factor, std::int64_t units, float* packed) {
  using V = typename A::V;
  for (std::int64_t s = begin, unit = 0; s < end; s += A::kPerUnit, ++unit) {
    for (int j = 0; j < kVectors; ++j) {
      Array<V, A::kPerUnit> rows;
      for (int i = 0; i < A::kPerUnit; ++i) {
        rows[i] = V::Load(weights + ((s + i) * kVectors + j) * A::kLanes) * factor[j];
      }
      A::Join(rows.items).Store(packed + (j * units + unit) * A::kLanes);
    }
  }
}

struct WeightedSumArgs {
  const float* weights;      // [count][vectors][lanes]
  std::int64_t count;        // keys, a multiple of the tile's height
  const float* values;       // panels
  std::int64_t panel_units;  // of a panel
  std::int64_t cols;         // values' width, a multiple of the lanes
  float* packed;             // room for kWeightedKeys of weights
  float* out;                // [vectors][cols][lanes]
};

// out = sum over keys of weight * factor * value. Keys go by in blocks whose weights stay in L1;
// between blocks the sums rest in `out`.
template <typename A, int kVectors>
void WeightedSum(const WeightedSumArgs& args, const Array<typename A::V, kVectors>& factor) {
  using V = typename A::V;
  for (std::int64_t begin = 0; begin < args.count; begin += kWeightedKeys) {
    const std::int64_t end =
        args.count - begin < kWeightedKeys ? args.count : begin + kWeightedKeys;
    const std::int64_t units = (end - begin) / A::kPerUnit;
    PackWeights<A, kVectors>(args.weights, begin, end, factor, units, args.packed);
    for (std::int64_t col = 0; col < args.cols; col += A::kHeight) {
      Tile<V, A::kHeight, kVectors> sum;
      SetZero(sum);
      if (begin > 0) {
        for (int i = 0; i < A::kHeight; ++i) {
          for (int j = 0; j < kVectors; ++j) {
            sum[i][j] = V::Load(args.out + (j * args.cols + col + i) * A::kLanes);
          }
        }
      }
      const float* panel = args.values + col * args.panel_units + begin / A::kPerUnit * A::kHeight;
      MultiplyAdd<A>(PanelLeft<V, A::kHeight>{panel}, LanesRight<V>{args.packed, units}, units,
                     sum);
      for (int i = 0; i < A::kHeight; ++i) {
        for (int j = 0; j < kVectors; ++j) {
          sum[i][j].Store(args.out + (j * args.cols + col + i) * A::kLanes);
        }
      }
    }
  }
}

}  // namespace
}  // namespace sextant
