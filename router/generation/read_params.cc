#include "router/generation/read_params.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/errors/error_details.h"

namespace sextant::router {
namespace {

constexpr std::int64_t kDefaultMaxTokens = 1024;
constexpr std::int32_t kMaxAnswers = 16;
constexpr std::int32_t kMaxPriority = 100;
constexpr int kMaxStopTexts = 16;
constexpr std::size_t kMaxStopBytes = 256;
constexpr std::size_t kMaxClientIdBytes = 128;

absl::Status OutsideRange(absl::string_view field, std::int64_t value, std::int64_t low,
                          std::int64_t high) {
  return FieldError(field, absl::StrCat("is ", value, ": must be between ", low, " and ", high));
}

absl::StatusOr<SamplingParams> ReadSampling(const v1::SamplingParams& given,
                                            const SamplingParams& defaults,
                                            const ParamLimits& limits) {
  SamplingParams params = defaults;
  if (given.has_temperature()) params.temperature = given.temperature();
  if (given.has_top_k()) params.top_k = given.top_k();
  if (given.has_top_p()) params.top_p = given.top_p();
  if (given.has_min_p()) params.min_p = given.min_p();
  if (given.has_repetition_penalty()) params.repetition_penalty = given.repetition_penalty();
  if (given.has_presence_penalty()) params.presence_penalty = given.presence_penalty();
  if (given.has_frequency_penalty()) params.frequency_penalty = given.frequency_penalty();
  for (const v1::LogitBias& bias : given.logit_bias()) {
    params.logit_bias.push_back({.id = bias.token_id(), .bias = bias.bias()});
  }
  if (given.has_logprobs()) params.logprobs = given.logprobs();
  params.seed = given.has_seed() ? given.seed() : limits.free_seed;
  const std::optional<SamplingProblem> problem = FindProblem(params, limits.vocab_size);
  if (!problem.has_value()) return params;
  return FieldError(absl::StrCat("params.sampling.", problem->field), problem->description);
}

absl::StatusOr<std::int64_t> ReadMaxTokens(const v1::GenerationParams& params,
                                           const ParamLimits& limits) {
  const std::int64_t room = limits.context_length - limits.prompt_tokens;
  if (!params.has_max_tokens()) return std::min(kDefaultMaxTokens, room);
  const std::int64_t max_tokens = params.max_tokens();
  if (max_tokens >= 1 && max_tokens <= room) return max_tokens;
  return FieldError(
      "params.max_tokens",
      absl::StrCat("is ", max_tokens, ": must be between 1 and ", room, "; the prompt has ",
                   limits.prompt_tokens, " tokens, and prompt and answer share a context of ",
                   limits.context_length));
}

absl::Status CheckStopTexts(const v1::GenerationParams& params, const ModelText& text) {
  if (params.stop_size() > kMaxStopTexts) {
    return FieldError("params.stop", absl::StrCat("has ", params.stop_size(),
                                                  " texts: must be at most ", kMaxStopTexts));
  }
  for (int i = 0; i < params.stop_size(); ++i) {
    const std::size_t bytes = params.stop(i).size();
    if (bytes < 1 || bytes > kMaxStopBytes) {
      return FieldError(absl::StrCat("params.stop[", i, "]"),
                        absl::StrCat("has ", bytes, " bytes: must be 1 to ", kMaxStopBytes));
    }
  }
  if (params.stop_size() > 0 && text.tokenizer() == nullptr) {
    return FieldError("params.stop",
                      "needs a tokenizer, and the model's folder has none; leave it empty");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PreparedRequest> ReadParams(const v1::GenerationParams& params,
                                           const ModelText& text, const ParamLimits& limits) {
  PreparedRequest request;
  ASSIGN_OR_RETURN(request.sampling,
                   ReadSampling(params.sampling(), text.default_sampling(), limits));
  ASSIGN_OR_RETURN(request.max_tokens, ReadMaxTokens(params, limits));
  RETURN_IF_ERROR(CheckStopTexts(params, text));
  request.stop_texts.assign(params.stop().begin(), params.stop().end());
  if (!params.ignore_eos()) request.stop_ids = text.eos_ids();
  if (params.has_n()) request.num_answers = params.n();
  if (request.num_answers < 1 || request.num_answers > kMaxAnswers) {
    return OutsideRange("params.n", request.num_answers, 1, kMaxAnswers);
  }
  request.priority = params.priority();
  if (request.priority < -kMaxPriority || request.priority > kMaxPriority) {
    return OutsideRange("params.priority", request.priority, -kMaxPriority, kMaxPriority);
  }
  if (params.client_id().size() > kMaxClientIdBytes) {
    return FieldError("params.client_id",
                      absl::StrCat("has ", params.client_id().size(), " bytes: must be at most ",
                                   kMaxClientIdBytes));
  }
  request.client_id = params.client_id();
  return request;
}

}  // namespace sextant::router
