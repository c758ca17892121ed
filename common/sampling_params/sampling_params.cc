#include "common/sampling_params/sampling_params.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant {
namespace {

// Written so that a NaN fails.
absl::Status InRange(const char* field, float value, float low, float high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ": must be between ", low, " and ", high));
}

absl::Status ValidateBias(const std::vector<LogitBias>& bias, std::int64_t vocab_size) {
  std::vector<std::int32_t> ids;
  ids.reserve(bias.size());
  for (const LogitBias& entry : bias) {
    if (entry.id < 0 || entry.id >= vocab_size) {
      return absl::InvalidArgumentError(absl::StrCat(
          "logit_bias names token ", entry.id, ": the model's tokens are 0 to ", vocab_size - 1));
    }
    RETURN_IF_ERROR(
        InRange(absl::StrCat("logit_bias of token ", entry.id).c_str(), entry.bias, -100, 100));
    ids.push_back(entry.id);
  }
  std::sort(ids.begin(), ids.end());
  const auto twice = std::adjacent_find(ids.begin(), ids.end());
  if (twice != ids.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("logit_bias names token ", *twice, " twice: give each token once"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const SamplingParams& params, std::int64_t vocab_size) {
  RETURN_IF_ERROR(InRange("temperature", params.temperature, 0.0F, kMaxTemperature));
  if (params.top_k < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("top_k is ", params.top_k, ": must be 0 (off) or more"));
  }
  if (!(params.top_p > 0.0F && params.top_p <= 1.0F)) {
    return absl::InvalidArgumentError(
        absl::StrCat("top_p is ", params.top_p, ": must be above 0 and at most 1"));
  }
  RETURN_IF_ERROR(InRange("min_p", params.min_p, 0.0F, 1.0F));
  RETURN_IF_ERROR(InRange("repetition_penalty", params.repetition_penalty, 0.01F, 2.0F));
  RETURN_IF_ERROR(InRange("presence_penalty", params.presence_penalty, -2.0F, 2.0F));
  RETURN_IF_ERROR(InRange("frequency_penalty", params.frequency_penalty, -2.0F, 2.0F));
  if (params.logprobs.has_value() && (*params.logprobs < 0 || *params.logprobs > kMaxLogprobs)) {
    return absl::InvalidArgumentError(
        absl::StrCat("logprobs is ", *params.logprobs, ": must be between 0 and ", kMaxLogprobs));
  }
  return ValidateBias(params.logit_bias, vocab_size);
}

}  // namespace sextant
