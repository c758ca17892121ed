#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/moe/topk_softmax_rows.h"

namespace sextant {
namespace {

// Heaviest first, equal ones by index, NaN last.
std::vector<std::size_t> Ranking(const std::vector<double>& scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (std::isnan(scores[b])) return !std::isnan(scores[a]);
    return scores[a] > scores[b];
  });
  return order;
}

// The kept experts by logit, then the others by id.
std::vector<std::size_t> RankExperts(const TopkSoftmaxRows& rows, const std::vector<double>& logits,
                                     std::vector<bool>& kept) {
  const auto group_size = static_cast<std::size_t>(rows.experts / rows.groups);
  std::vector<double> group_scores;
  for (std::size_t first = 0; first < logits.size(); first += group_size) {
    double best = std::numeric_limits<double>::quiet_NaN();
    for (std::size_t e = first; e < first + group_size; ++e) best = std::fmax(best, logits[e]);
    group_scores.push_back(best);
  }
  const std::vector<std::size_t> groups = Ranking(group_scores);
  kept.assign(logits.size(), false);
  for (std::size_t g = 0; g < static_cast<std::size_t>(rows.kept_groups); ++g) {
    std::fill_n(kept.begin() + static_cast<std::ptrdiff_t>(groups[g] * group_size), group_size,
                true);
  }
  std::vector<std::size_t> order = Ranking(logits);
  std::stable_partition(order.begin(), order.end(), [&](std::size_t e) { return kept[e]; });
  const auto outside =
      std::find_if_not(order.begin(), order.end(), [&](std::size_t e) { return kept[e]; });
  std::sort(outside, order.end());
  return order;
}

void ChooseForToken(const TopkSoftmaxRows& rows, const float* gate_logits, float* weights,
                    std::int32_t* ids) {
  const std::vector<double> logits(gate_logits, gate_logits + rows.experts);
  std::vector<bool> kept;
  const std::vector<std::size_t> order = RankExperts(rows, logits, kept);
  const double heaviest = *std::max_element(logits.begin(), logits.end());
  double total = 0.0;
  for (const double logit : logits) total += std::exp(logit - heaviest);
  const auto chosen = static_cast<std::size_t>(rows.chosen);
  std::vector<double> scores(chosen, 0.0);
  for (std::size_t k = 0; k < chosen; ++k) {
    if (kept[order[k]]) scores[k] = std::exp(logits[order[k]] - heaviest) / total;
  }
  const bool normalise = rows.normalise && chosen > 1;
  const double sum = std::accumulate(scores.begin(), scores.end(), 0.0);
  const double factor = normalise ? 1.0 / (sum + 1e-20) : static_cast<double>(rows.scale);
  for (std::size_t k = 0; k < chosen; ++k) {
    ids[k] = static_cast<std::int32_t>(order[k]);
    weights[k] = static_cast<float>(scores[k] * factor);
  }
}

}  // namespace

void TopkSoftmaxReference(const TopkSoftmaxRows& rows) {
  for (std::int64_t t = 0; t < rows.tokens; ++t) {
    ChooseForToken(rows, rows.gate_logits + t * rows.logits_stride,
                   rows.weights + t * rows.weights_stride, rows.expert_ids + t * rows.ids_stride);
  }
}

}  // namespace sextant
