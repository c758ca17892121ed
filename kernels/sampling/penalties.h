// What changes a row's logits before temperature: the bias of a request, then its penalties.
#pragma once

#include <cstdint>

#include "kernels/sampling/sample.h"

namespace sextant {

// Whether AdjustLogits would read `row`'s history or change a logit at all.
[[nodiscard]] bool HasPenalties(const SamplingParams& params);

// Bias, then repetition (divides a positive logit, multiplies another), frequency and presence, in
// vLLM's order. `counts` is room for one number per id of the vocabulary. An id at -inf stays so.
void AdjustLogits(const SampleRow& row, std::int64_t vocab_size, std::uint32_t* counts,
                  float* logits);

}  // namespace sextant
