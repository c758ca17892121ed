#include "kernels/sampling/candidates.h"

#include <algorithm>
#include <limits>

namespace sextant {
namespace {

// Fewer than this many members are sorted rather than partitioned.
constexpr std::size_t kSortBelow = 48;

}  // namespace

bool CandidateFinder::Heavier(const Member& a, const Member& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

void CandidateFinder::FillBins(const WeighedRow& row) {
  bins_.assign(kBins, {0.0, 0});
  // At a low temperature most tokens share the last bin: in memory its sum would be one long chain
  // of stores and loads.
  Bin last{0.0, 0};
  for (std::int64_t i = 0; i < row.count; ++i) {
    const std::uint16_t index = row.bins[i];
    if (index >= kBins - 1) {
      if (index == kDroppedBin) continue;
      last.weight += static_cast<double>(row.weights[i]);
      ++last.tokens;
      continue;
    }
    Bin& bin = bins_[index];
    bin.weight += static_cast<double>(row.weights[i]);
    ++bin.tokens;
  }
  bins_.back() = last;
}

void CandidateFinder::CollectMembers(const WeighedRow& row, std::int64_t bin,
                                     const LightestKept& kept) {
  members_.clear();
  const Member lightest{kept.logit, 0.0F, kept.id};
  for (std::int64_t i = 0; i < row.count; ++i) {
    if (row.bins[i] != bin) continue;
    const Member member{row.logits[i], row.weights[i], i};
    if (!Heavier(lightest, member)) members_.push_back(member);
  }
}

// The member at which the running measure, heaviest first, reaches `budget`; the lightest when
// none does.
template <typename Measure>
CandidateFinder::Member CandidateFinder::Select(double budget, const Measure& measure) {
  auto begin = members_.begin();
  auto end = members_.end();
  while (static_cast<std::size_t>(end - begin) > kSortBelow) {
    std::iter_swap(begin + (end - begin) / 2, end - 1);
    const Member pivot = *(end - 1);
    const auto middle =
        std::partition(begin, end - 1, [&](const Member& m) { return Heavier(m, pivot); });
    std::iter_swap(middle, end - 1);
    double heavier = 0.0;
    for (auto it = begin; it != middle; ++it) heavier += measure(*it);
    if (heavier >= budget && middle != begin) {
      end = middle;
    } else if (heavier + measure(pivot) >= budget || middle + 1 == end) {
      return pivot;
    } else {
      budget -= heavier + measure(pivot);
      begin = middle + 1;
    }
  }
  std::sort(begin, end, Heavier);
  auto it = begin;
  for (double sum = measure(*it); sum < budget && it + 1 != end; sum += measure(*it)) ++it;
  return *it;
}

void CandidateFinder::KeepTopK(const WeighedRow& row, std::int64_t top_k, LightestKept& kept) {
  std::int64_t before = 0;
  for (std::size_t b = 0; b < bins_.size(); ++b) {
    if (before + bins_[b].tokens < top_k) {
      before += bins_[b].tokens;
      continue;
    }
    CollectMembers(row, static_cast<std::int64_t>(b), kept);
    const Member last =
        Select(static_cast<double>(top_k - before), [](const Member&) { return 1.0; });
    kept = {last.logit, last.id};
    double weight = 0.0;
    for (const Member& member : members_) {
      if (!Heavier(last, member)) weight += static_cast<double>(member.weight);
    }
    bins_[b] = {weight, top_k - before};
    bins_.resize(b + 1);
    return;
  }
}

void CandidateFinder::KeepTopP(const WeighedRow& row, double top_p, LightestKept& kept) {
  double total = 0.0;
  for (const Bin& bin : bins_) total += bin.weight;
  const double budget = top_p * total;
  double before = 0.0;
  for (std::size_t b = 0; b < bins_.size(); ++b) {
    if (before + bins_[b].weight < budget) {
      before += bins_[b].weight;
      continue;
    }
    CollectMembers(row, static_cast<std::int64_t>(b), kept);
    const Member last = Select(
        budget - before, [](const Member& member) { return static_cast<double>(member.weight); });
    kept = {last.logit, last.id};
    return;
  }
}

LightestKept CandidateFinder::Find(const WeighedRow& row, const SamplingParams& params) {
  LightestKept kept{-std::numeric_limits<float>::infinity(), row.count};
  const bool top_k = params.top_k > 0 && params.top_k < row.count;
  const bool top_p = params.top_p < 1.0F;
  if (!top_k && !top_p) return kept;
  FillBins(row);
  if (top_k) KeepTopK(row, params.top_k, kept);
  if (top_p) KeepTopP(row, static_cast<double>(params.top_p), kept);
  return kept;
}

}  // namespace sextant
