#include "kernels/sampling/row_sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/sampling/penalties.h"
#include "kernels/sampling/philox.h"

namespace sextant {
namespace {

constexpr float kMinusInf = -std::numeric_limits<float>::infinity();

std::int64_t RoundUp(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step * step;
}

// The least difference to the heaviest logit that min_p keeps.
float LowestShift(const SamplingParams& params) {
  if (params.min_p <= 0.0F) return std::numeric_limits<float>::lowest();
  return std::log(params.min_p) * params.temperature;
}

}  // namespace

RowSampler::RowSampler(const RowPasses& passes, std::int64_t vocab_size, ScratchScope& scope)
    : passes_(passes),
      vocab_size_(vocab_size),
      padded_size_(RoundUp(vocab_size, kRowPadding)),
      logits_(scope.Allocate<float>(padded_size_)),
      weights_(scope.Allocate<float>(padded_size_)),
      bins_(scope.Allocate<std::uint16_t>(padded_size_)),
      counts_(scope.Allocate<std::uint32_t>(vocab_size)),
      block_sums_(scope.Allocate<double>(RoundUp(padded_size_, kBlock) / kBlock)) {}

absl::StatusOr<SampledToken> RowSampler::Sample(const SampleRowArgs& args) {
  const SampleRow& row = *args.row;
  const SamplingParams& params = *row.params;
  if (!passes_.copy_finite(args.logits.data(), vocab_size_, logits_)) return NotFiniteError();
  if (static_cast<std::int64_t>(args.banned_ids.size()) == vocab_size_) return AllBannedError();
  for (const std::int32_t id : args.banned_ids) logits_[id] = kMinusInf;

  SampledToken result;
  double logprob_shift = 0.0;  // what a raw logit exceeds its logprob by
  if (params.logprobs.has_value()) {
    const float heaviest = passes_.find_heaviest(logits_, padded_size_).logit;
    const double log_total = std::log(passes_.sum_exp(logits_, padded_size_, heaviest));
    logprob_shift = static_cast<double>(heaviest) + log_total;
    result.heaviest = FindLogprobs(*params.logprobs, logprob_shift);
  }
  AdjustLogits(row, vocab_size_, counts_, logits_);
  const HeaviestLogit heaviest = passes_.find_heaviest(logits_, padded_size_);
  if (!std::isfinite(heaviest.logit)) return NotFiniteError();
  const bool greedy = params.temperature < kGreedyTemperature;
  const std::int64_t id = greedy ? heaviest.id : Draw(row, heaviest.logit);
  result.id = static_cast<std::int32_t>(id);
  if (params.logprobs.has_value()) {
    const double raw = args.logits[static_cast<std::size_t>(id)];
    result.logprob = static_cast<float>(raw - logprob_shift);
  }
  return result;
}

std::int64_t RowSampler::Draw(const SampleRow& row, float heaviest) {
  const SamplingParams& params = *row.params;
  passes_.weigh({.logits = logits_,
                 .count = padded_size_,
                 .heaviest = heaviest,
                 .inverse_temperature = 1.0F / params.temperature,
                 .lowest_shift = LowestShift(params),
                 .weights = weights_,
                 .bins = bins_});
  const LightestKept kept = finder_.Find(
      {.logits = logits_, .weights = weights_, .bins = bins_, .count = padded_size_}, params);

  double total = 0.0;
  for (std::int64_t begin = 0; begin < padded_size_; begin += kBlock) {
    const double sum = SumKept(begin, std::min(begin + kBlock, padded_size_), kept);
    block_sums_[begin / kBlock] = sum;
    total += sum;
  }
  const double target = UniformDraw(params.seed, row.position) * total;

  // The block that the target falls into, then the token; `last` is the answer should the block's
  // tokens, summed one by one, round to less than their sum by lanes.
  double sum = 0.0;
  std::int64_t block = 0;
  while (sum + block_sums_[block] <= target) sum += block_sums_[block++];
  std::int64_t last = 0;
  const std::int64_t end = std::min((block + 1) * kBlock, padded_size_);
  for (std::int64_t id = block * kBlock; id < end; ++id) {
    const bool is_kept = logits_[id] > kept.logit || (logits_[id] == kept.logit && id <= kept.id);
    if (!is_kept || weights_[id] == 0.0F) continue;
    sum += static_cast<double>(weights_[id]);
    last = id;
    if (sum > target) break;
  }
  return last;
}

// The weight of the kept tokens of one block. Tokens as light as the lightest are kept up to its
// id, which one block at most has on either side.
double RowSampler::SumKept(std::int64_t begin, std::int64_t end, const LightestKept& kept) const {
  const float above = std::nextafter(kept.logit, std::numeric_limits<float>::infinity());
  if (end <= kept.id + 1) {
    return passes_.sum_block(logits_ + begin, weights_ + begin, end - begin, kept.logit);
  }
  if (begin > kept.id) {
    return passes_.sum_block(logits_ + begin, weights_ + begin, end - begin, above);
  }
  double sum = 0.0;
  for (std::int64_t id = begin; id < end; ++id) {
    if (logits_[id] >= (id <= kept.id ? kept.logit : above)) {
      sum += static_cast<double>(weights_[id]);
    }
  }
  return sum;
}

std::vector<TokenLogprob> RowSampler::FindLogprobs(std::int32_t count, double shift) const {
  struct Entry {
    float logit;
    std::int32_t id;
  };
  std::vector<Entry> heaviest;
  if (count == 0) return {};
  const auto wanted = static_cast<std::size_t>(count);
  float bound = kMinusInf;
  for (std::int64_t run = 0;; run += kRowPadding) {
    run = passes_.find_run_above(logits_, run, padded_size_, bound);
    if (run == padded_size_) break;
    for (std::int64_t id = run; id < run + kRowPadding; ++id) {
      if (!(logits_[id] > bound)) continue;
      heaviest.push_back({logits_[id], static_cast<std::int32_t>(id)});
      for (std::size_t i = heaviest.size() - 1; i > 0; --i) {
        if (heaviest[i - 1].logit >= heaviest[i].logit) break;
        std::swap(heaviest[i - 1], heaviest[i]);
      }
      if (heaviest.size() > wanted) heaviest.pop_back();
      if (heaviest.size() == wanted) bound = heaviest.back().logit;
    }
  }
  std::vector<TokenLogprob> logprobs;
  logprobs.reserve(heaviest.size());
  for (const Entry& entry : heaviest) {
    logprobs.push_back({entry.id, static_cast<float>(static_cast<double>(entry.logit) - shift)});
  }
  return logprobs;
}

}  // namespace sextant
