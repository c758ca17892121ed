#include "router/service/attention_messages.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "common/rpc/status.h"

namespace sextant::router {
namespace {

void WriteSampling(const SamplingParams& params, std::uint64_t seed, v1::SamplingParams& message) {
  message.set_temperature(params.temperature);
  message.set_top_k(params.top_k);
  message.set_top_p(params.top_p);
  message.set_min_p(params.min_p);
  message.set_repetition_penalty(params.repetition_penalty);
  message.set_presence_penalty(params.presence_penalty);
  message.set_frequency_penalty(params.frequency_penalty);
  for (const LogitBias& bias : params.logit_bias) {
    v1::LogitBias& entry = *message.add_logit_bias();
    entry.set_token_id(bias.id);
    entry.set_bias(bias.bias);
  }
  if (params.logprobs.has_value()) message.set_logprobs(*params.logprobs);
  message.set_seed(seed);
}

TokenLogprobs ReadLogprobs(const v1::TokenLogprobs& message) {
  TokenLogprobs logprobs{.logprob = message.logprob()};
  logprobs.top.reserve(static_cast<std::size_t>(message.top_size()));
  for (const v1::TokenLogprob& entry : message.top()) {
    logprobs.top.push_back({.id = entry.token_id(), .logprob = entry.logprob()});
  }
  return logprobs;
}

PeerToken ReadToken(const v1::SequenceToken& message) {
  PeerToken token{.id = message.id(), .finished = message.finished(), .stopped = message.stopped()};
  if (message.has_logprobs()) token.logprobs = ReadLogprobs(message.logprobs());
  return token;
}

PeerFailure ReadFailure(const v1::SequenceFailure& message) {
  const auto code = static_cast<grpc::StatusCode>(message.code());
  PeerFailure failure{.status = FromGrpc({code, message.message()}),
                      .permanent = message.permanent()};
  if (failure.status.ok()) failure.status = absl::InternalError(message.message());
  return failure;
}

}  // namespace

v1::AttentionCommand ConfigureCommand(const std::vector<std::int32_t>& banned_ids) {
  v1::AttentionCommand command;
  command.mutable_configure()->mutable_banned_ids()->Assign(banned_ids.begin(), banned_ids.end());
  return command;
}

v1::AttentionCommand StartCommand(const SequenceStart& start) {
  v1::AttentionCommand command;
  v1::StartSequence& message = *command.mutable_start();
  message.set_sequence(start.sequence);
  message.mutable_prompt_ids()->Assign(start.prompt_ids.begin(), start.prompt_ids.end());
  message.mutable_generated_ids()->Assign(start.generated_ids.begin(), start.generated_ids.end());
  WriteSampling(start.sampling, start.seed, *message.mutable_sampling());
  message.set_max_tokens(start.max_tokens);
  message.mutable_stop_ids()->Assign(start.stop_ids.begin(), start.stop_ids.end());
  message.set_priority(start.priority);
  message.set_request_id(std::string(start.request_id));
  return command;
}

v1::AttentionCommand CancelCommand(SequenceNumber sequence) {
  v1::AttentionCommand command;
  command.mutable_cancel()->set_sequence(sequence);
  return command;
}

PeerEvents ReadEvents(const v1::AttentionEvents& message) {
  PeerEvents events;
  events.events.reserve(static_cast<std::size_t>(message.events_size()));
  for (const v1::SequenceEvent& from : message.events()) {
    PeerEvent event{.sequence = from.sequence(),
                    .cached_prompt_tokens = from.cached_prompt_tokens()};
    if (from.has_token()) {
      event.what = ReadToken(from.token());
    } else if (from.has_failure()) {
      event.what = ReadFailure(from.failure());
    } else {
      continue;
    }
    events.events.push_back(std::move(event));
  }
  events.load = {.running = message.load().running(),
                 .waiting = message.load().waiting(),
                 .free_blocks = message.load().free_blocks()};
  return events;
}

}  // namespace sextant::router
