#include "common/sampling_params/sampling_params.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sextant {
namespace {

using Problem = std::optional<SamplingProblem>;

// Written so that a NaN fails.
Problem OutsideRange(std::string field, float value, float low, float high) {
  if (value >= low && value <= high) return std::nullopt;
  std::string description = absl::StrCat("is ", value, ": must be between ", low, " and ", high);
  return SamplingProblem{std::move(field), std::move(description)};
}

Problem FindBiasProblem(const std::vector<LogitBias>& bias, std::int64_t vocab_size) {
  std::vector<std::pair<std::int32_t, std::size_t>> ids;  // and where they were
  ids.reserve(bias.size());
  const auto field = [](std::size_t i) { return absl::StrCat("logit_bias[", i, "]"); };
  for (std::size_t i = 0; i < bias.size(); ++i) {
    if (bias[i].id < 0 || bias[i].id >= vocab_size) {
      return SamplingProblem{
          field(i), absl::StrCat("names token ", bias[i].id, ": the model's tokens are 0 to ",
                                 vocab_size - 1)};
    }
    if (Problem problem = OutsideRange(field(i), bias[i].bias, -100, 100)) return problem;
    ids.emplace_back(bias[i].id, i);
  }
  std::sort(ids.begin(), ids.end());
  const auto twice = std::adjacent_find(
      ids.begin(), ids.end(), [](const auto& a, const auto& b) { return a.first == b.first; });
  if (twice == ids.end()) return std::nullopt;
  return SamplingProblem{
      field(std::next(twice)->second),
      absl::StrCat("names token ", twice->first, " twice: give each token once")};
}

}  // namespace

std::optional<SamplingProblem> FindProblem(const SamplingParams& params, std::int64_t vocab_size) {
  if (Problem p = OutsideRange("temperature", params.temperature, 0.0F, kMaxTemperature)) return p;
  if (params.top_k < 0) {
    return SamplingProblem{"top_k", absl::StrCat("is ", params.top_k, ": must be 0 (off) or more")};
  }
  if (!(params.top_p > 0.0F && params.top_p <= 1.0F)) {
    return SamplingProblem{"top_p",
                           absl::StrCat("is ", params.top_p, ": must be above 0 and at most 1")};
  }
  if (Problem p = OutsideRange("min_p", params.min_p, 0, 1)) return p;
  if (Problem p = OutsideRange("repetition_penalty", params.repetition_penalty, 0.01F, 2)) return p;
  if (Problem p = OutsideRange("presence_penalty", params.presence_penalty, -2, 2)) return p;
  if (Problem p = OutsideRange("frequency_penalty", params.frequency_penalty, -2, 2)) return p;
  if (params.logprobs.has_value() && (*params.logprobs < 0 || *params.logprobs > kMaxLogprobs)) {
    return SamplingProblem{"logprobs", absl::StrCat("is ", *params.logprobs,
                                                    ": must be between 0 and ", kMaxLogprobs)};
  }
  return FindBiasProblem(params.logit_bias, vocab_size);
}

absl::Status Validate(const SamplingParams& params, std::int64_t vocab_size) {
  const std::optional<SamplingProblem> problem = FindProblem(params, vocab_size);
  if (!problem.has_value()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(problem->field, " ", problem->description));
}

}  // namespace sextant
