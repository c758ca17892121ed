#include "attention_worker/service/translate.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/errors/error_details.h"

namespace sextant {
namespace {

struct RequiredField {
  const char* name;
  bool set;
};

absl::Status CheckAllSet(const v1::SamplingParams& params) {
  const RequiredField fields[] = {
      {"temperature", params.has_temperature()},
      {"top_k", params.has_top_k()},
      {"top_p", params.has_top_p()},
      {"min_p", params.has_min_p()},
      {"repetition_penalty", params.has_repetition_penalty()},
      {"presence_penalty", params.has_presence_penalty()},
      {"frequency_penalty", params.has_frequency_penalty()},
      {"seed", params.has_seed()},
  };
  for (const RequiredField& field : fields) {
    if (!field.set) {
      return FieldError(absl::StrCat("sampling.", field.name),
                        "is not set; the router fills in every default");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<SamplingParams> ToSamplingParams(const v1::SamplingParams& params) {
  RETURN_IF_ERROR(CheckAllSet(params));
  SamplingParams result{.temperature = params.temperature(),
                        .top_k = params.top_k(),
                        .top_p = params.top_p(),
                        .min_p = params.min_p(),
                        .repetition_penalty = params.repetition_penalty(),
                        .presence_penalty = params.presence_penalty(),
                        .frequency_penalty = params.frequency_penalty(),
                        .seed = params.seed()};
  for (const v1::LogitBias& bias : params.logit_bias()) {
    result.logit_bias.push_back({.id = bias.token_id(), .bias = bias.bias()});
  }
  if (params.has_logprobs()) result.logprobs = params.logprobs();
  return result;
}

// Whether the failure would meet the sequence on every worker.
bool IsPermanent(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kDeadlineExceeded:
      return false;
    default:
      return true;
  }
}

}  // namespace

absl::StatusOr<GenerationRequest> ToGenerationRequest(const v1::StartSequence& start) {
  GenerationRequest request;
  request.prompt_ids.assign(start.prompt_ids().begin(), start.prompt_ids().end());
  request.generated_ids.assign(start.generated_ids().begin(), start.generated_ids().end());
  request.stop_ids.assign(start.stop_ids().begin(), start.stop_ids().end());
  request.max_tokens = start.max_tokens();
  request.priority = start.priority();
  ASSIGN_OR_RETURN(request.sampling, ToSamplingParams(start.sampling()));
  return request;
}

v1::SequenceEvent ToProto(const StreamEvent& event) {
  v1::SequenceEvent message;
  message.set_sequence(event.sequence);
  message.set_cached_prompt_tokens(event.cached_prompt_tokens);
  if (!event.token.ok()) {
    v1::SequenceFailure& failure = *message.mutable_failure();
    const absl::Status& status = event.token.status();
    failure.set_code(static_cast<std::int32_t>(status.code()));
    failure.set_message(status.message().data(), status.message().size());
    failure.set_permanent(IsPermanent(status));
    return message;
  }
  v1::SequenceToken& token = *message.mutable_token();
  token.set_id(event.token->id);
  token.set_finished(event.finish.has_value());
  token.set_stopped(event.finish == FinishReason::kStop);
  if (event.with_logprobs) {
    v1::TokenLogprobs& logprobs = *token.mutable_logprobs();
    logprobs.set_logprob(event.token->logprob);
    for (const TokenLogprob& entry : event.token->heaviest) {
      v1::TokenLogprob& top = *logprobs.add_top();
      top.set_token_id(entry.id);
      top.set_logprob(entry.logprob);
    }
  }
  return message;
}

v1::AttentionLoad ToProto(const EngineLoad& load) {
  v1::AttentionLoad message;
  message.set_running(load.running);
  message.set_waiting(load.waiting);
  message.set_free_blocks(load.free_blocks);
  return message;
}

}  // namespace sextant
