#include "kernels/feed_forward/grouped_feed_forward_reference.h"

#include <cmath>
#include <vector>

#include "kernels/linear/linear_reference.h"

namespace sextant {
namespace {

float Silu(float value, Precision precision) {
  return RoundResult(value / (1.0 + std::exp(-static_cast<double>(value))), precision);
}

void OneRow(const FeedForwardWeights& weights, MatrixView<const float> x, MatrixView<float> y,
            Precision precision) {
  const std::int64_t width = weights.gate.rows;
  std::vector<float> gate(static_cast<std::size_t>(width));
  std::vector<float> up(gate.size());
  LinearReference({x, weights.gate, {gate.data(), 1, width}, precision});
  LinearReference({x, weights.up, {up.data(), 1, width}, precision});
  for (std::size_t f = 0; f < gate.size(); ++f) {
    gate[f] = RoundResult(static_cast<double>(Silu(gate[f], precision)) * up[f], precision);
  }
  LinearReference({MatrixView<float>(gate.data(), 1, width), weights.down, y, precision});
}

}  // namespace

void GroupedFeedForwardReference(const GroupedFeedForwardArgs& args) {
  std::int64_t out = 0;
  for (const ExpertRows& expert : args.experts) {
    const auto count = expert.rows ? static_cast<std::int64_t>(expert.rows->size()) : args.x.rows;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t row = expert.rows ? (*expert.rows)[static_cast<std::size_t>(i)] : i;
      OneRow(expert.weights, args.x.Rows(row, 1), args.y.Rows(out++, 1), args.precision);
    }
  }
}

}  // namespace sextant
