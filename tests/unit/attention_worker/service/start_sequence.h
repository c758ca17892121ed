// The command that a router sends, with every sampling field set.
#pragma once

#include <cstdint>
#include <vector>

#include "proto/sextant/v1/attention.pb.h"

namespace sextant {

inline v1::StartSequence MakeStart(std::uint64_t sequence, const std::vector<std::int32_t>& prompt,
                                   std::int64_t max_tokens, std::uint64_t seed) {
  v1::StartSequence start;
  start.set_sequence(sequence);
  start.mutable_prompt_ids()->Add(prompt.begin(), prompt.end());
  start.set_max_tokens(max_tokens);
  v1::SamplingParams& sampling = *start.mutable_sampling();
  sampling.set_temperature(1.0F);
  sampling.set_top_k(0);
  sampling.set_top_p(1.0F);
  sampling.set_min_p(0.0F);
  sampling.set_repetition_penalty(1.0F);
  sampling.set_presence_penalty(0.0F);
  sampling.set_frequency_penalty(0.0F);
  sampling.set_seed(seed);
  return start;
}

}  // namespace sextant
