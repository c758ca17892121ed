#include "kernels/sampling/penalties.h"

#include <algorithm>

namespace sextant {
namespace {

// In `counts`: this id has been dealt with.
constexpr std::uint32_t kDone = 0xffffffff;

void Repeat(const SamplingParams& params, float& logit) {
  logit = logit > 0.0F ? logit / params.repetition_penalty : logit * params.repetition_penalty;
}

}  // namespace

bool HasPenalties(const SamplingParams& params) {
  return params.repetition_penalty != 1.0F || params.frequency_penalty != 0.0F ||
         params.presence_penalty != 0.0F;
}

void AdjustLogits(const SampleRow& row, std::int64_t vocab_size, std::uint32_t* counts,
                  float* logits) {
  const SamplingParams& params = *row.params;
  for (const LogitBias& entry : params.logit_bias) logits[entry.id] += entry.bias;
  if (!HasPenalties(params)) return;
  std::fill_n(counts, vocab_size, 0U);
  for (const std::int32_t id : row.output) ++counts[id];
  for (const std::int32_t id : row.output) {
    if (counts[id] == kDone) continue;
    Repeat(params, logits[id]);
    logits[id] -= params.frequency_penalty * static_cast<float>(counts[id]);
    logits[id] -= params.presence_penalty;
    counts[id] = kDone;
  }
  if (params.repetition_penalty == 1.0F) return;
  for (const std::int32_t id : row.prompt) {
    if (counts[id] == kDone) continue;
    Repeat(params, logits[id]);
    counts[id] = kDone;
  }
}

}  // namespace sextant
