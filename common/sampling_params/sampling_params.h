// How the next token is chosen from a row of logits: what a request may set, and its ranges.
//
// Plain data, so that a front door can refuse a request without linking the kernels that obey it
// (kernels/sampling/sample.h says what each field does and in which order).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace sextant {

struct LogitBias {
  std::int32_t id = 0;
  float bias = 0.0F;  // added to the logit of `id`; in [-100, 100]
};

struct SamplingParams {
  float temperature = 1.0F;         // in [0, 100]; below kGreedyTemperature: the heaviest token
  std::int32_t top_k = 0;           // keep this many of the heaviest; 0: all
  float top_p = 1.0F;               // in (0, 1]: keep the heaviest that together reach this share
  float min_p = 0.0F;               // in [0, 1]: drop tokens below this share of the heaviest one
  float repetition_penalty = 1.0F;  // in [0.01, 2]: tokens of the prompt and the output
  float presence_penalty = 0.0F;    // in [-2, 2]: tokens of the output, once
  float frequency_penalty = 0.0F;   // in [-2, 2]: tokens of the output, per occurrence
  std::vector<LogitBias> logit_bias = {};
  std::optional<std::int32_t> logprobs = {};  // in [0, 20]: report that many of the heaviest
  std::uint64_t seed = 0;
};

inline constexpr float kMaxTemperature = 100.0F;
inline constexpr float kGreedyTemperature = 1e-5F;
inline constexpr std::int32_t kMaxLogprobs = 20;

// What is outside its range: `field` as it is called above ("top_p", "logit_bias[3]").
struct SamplingProblem {
  std::string field;
  std::string description;
};

// The first problem. NaN is outside every range; so is an id of `logit_bias` outside
// [0, vocab_size), or one that is listed twice.
[[nodiscard]] std::optional<SamplingProblem> FindProblem(const SamplingParams& params,
                                                         std::int64_t vocab_size);

// Errors: InvalidArgument naming the field, its value and its range, where FindProblem finds one.
[[nodiscard]] absl::Status Validate(const SamplingParams& params, std::int64_t vocab_size);

}  // namespace sextant
