#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "kernels/sampling/philox.h"
#include "kernels/sampling/sample_row.h"

namespace sextant {
namespace {

struct Token {
  std::int32_t id;
  float logit;
  double weight;
};

// Every id that may be sampled, in ascending order.
std::vector<Token> Allowed(const SampleRowArgs& args) {
  const std::set<std::int32_t> banned(args.banned_ids.begin(), args.banned_ids.end());
  std::vector<Token> tokens;
  for (std::size_t id = 0; id < args.logits.size(); ++id) {
    const auto token = static_cast<std::int32_t>(id);
    if (banned.count(token) == 0) tokens.push_back({token, args.logits[id], 0.0});
  }
  return tokens;
}

void ApplyBiasAndPenalties(const SampleRow& row, std::vector<Token>& tokens) {
  const SamplingParams& params = *row.params;
  std::map<std::int32_t, float> bias;
  for (const LogitBias& entry : params.logit_bias) bias[entry.id] = entry.bias;
  const std::set<std::int32_t> in_prompt(row.prompt.begin(), row.prompt.end());
  std::map<std::int32_t, int> outputs;
  for (const std::int32_t id : row.output) ++outputs[id];
  for (Token& token : tokens) {
    const auto output = outputs.find(token.id);
    const bool in_output = output != outputs.end();
    if (bias.count(token.id) != 0) token.logit += bias[token.id];
    if (in_output || in_prompt.count(token.id) != 0) {
      token.logit = token.logit > 0.0F ? token.logit / params.repetition_penalty
                                       : token.logit * params.repetition_penalty;
    }
    if (in_output) {
      token.logit -= params.frequency_penalty * static_cast<float>(output->second);
      token.logit -= params.presence_penalty;
    }
  }
}

void SortHeaviestFirst(std::vector<Token>& tokens) {
  std::stable_sort(tokens.begin(), tokens.end(),
                   [](const Token& a, const Token& b) { return a.logit > b.logit; });
}

void KeepByMinP(const SamplingParams& params, std::vector<Token>& sorted) {
  if (params.min_p <= 0.0F) return;
  const float lowest = std::log(params.min_p) * params.temperature;
  const float heaviest = sorted.front().logit;
  sorted.erase(std::find_if(sorted.begin(), sorted.end(),
                            [&](const Token& t) { return t.logit - heaviest < lowest; }),
               sorted.end());
}

void KeepByTopK(const SamplingParams& params, std::vector<Token>& sorted) {
  const auto top_k = static_cast<std::size_t>(params.top_k);
  if (top_k != 0 && top_k < sorted.size()) sorted.resize(top_k);
}

void KeepByTopP(const SamplingParams& params, std::vector<Token>& sorted) {
  if (params.top_p >= 1.0F) return;
  double total = 0.0;
  for (const Token& token : sorted) total += token.weight;
  double before = 0.0;
  std::size_t kept = 0;
  while (kept < sorted.size() && before < static_cast<double>(params.top_p) * total) {
    before += sorted[kept++].weight;
  }
  sorted.resize(kept);
}

std::int32_t Draw(const SampleRow& row, std::vector<Token> kept) {
  std::sort(kept.begin(), kept.end(), [](const Token& a, const Token& b) { return a.id < b.id; });
  double total = 0.0;
  for (const Token& token : kept) total += token.weight;
  const double target = UniformDraw(row.params->seed, row.position) * total;
  double sum = 0.0;
  for (const Token& token : kept) {
    sum += token.weight;
    if (sum > target) return token.id;
  }
  return kept.back().id;
}

void AddLogprobs(std::int32_t count, std::vector<Token> tokens, SampledToken& result) {
  SortHeaviestFirst(tokens);
  const auto heaviest = static_cast<double>(tokens.front().logit);
  double total = 0.0;
  for (const Token& token : tokens) total += std::exp(static_cast<double>(token.logit) - heaviest);
  const double log_total = std::log(total);
  for (const Token& token : tokens) {
    const auto logprob =
        static_cast<float>(static_cast<double>(token.logit) - heaviest - log_total);
    if (token.id == result.id) result.logprob = logprob;
    if (static_cast<std::int32_t>(result.heaviest.size()) < count) {
      result.heaviest.push_back({token.id, logprob});
    }
  }
}

}  // namespace

absl::StatusOr<SampledToken> SampleRowReference(const SampleRowArgs& args) {
  for (const float logit : args.logits) {
    if (!std::isfinite(logit)) return NotFiniteError();
  }
  const SamplingParams& params = *args.row->params;
  const std::vector<Token> raw = Allowed(args);
  if (raw.empty()) return AllBannedError();
  std::vector<Token> tokens = raw;
  ApplyBiasAndPenalties(*args.row, tokens);
  SortHeaviestFirst(tokens);
  const auto heaviest = static_cast<double>(tokens.front().logit);
  if (!std::isfinite(heaviest)) return NotFiniteError();

  SampledToken result;
  result.id = tokens.front().id;
  if (params.temperature >= kGreedyTemperature) {
    for (Token& token : tokens) {
      token.weight = std::exp((static_cast<double>(token.logit) - heaviest) /
                              static_cast<double>(params.temperature));
    }
    KeepByMinP(params, tokens);
    KeepByTopK(params, tokens);
    KeepByTopP(params, tokens);
    result.id = Draw(*args.row, tokens);
  }
  if (params.logprobs.has_value()) AddLogprobs(*params.logprobs, raw, result);
  return result;
}

}  // namespace sextant
