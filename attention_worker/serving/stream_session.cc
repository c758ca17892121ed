#include "attention_worker/serving/stream_session.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant {

StreamSession::~StreamSession() {
  for (const auto& [number, running] : by_number_) engine_.Cancel(running.id);
}

bool StreamSession::ServeCommands(const absl::Status& refusal) {
  SequenceStream::Inbox inbox = stream_->Take();
  if (inbox.abandoned) return false;
  for (StreamCommand& command : inbox.commands) {
    if (const auto* cancel = std::get_if<CancelCommand>(&command)) {
      Cancel(cancel->sequence);
    } else if (absl::Status status = Start(std::get<StartCommand>(std::move(command)), refusal);
               !status.ok()) {
      listener_->OnEnd(status);
      return false;
    }
  }
  ended_ = inbox.ended;
  if (inbox.was_full) listener_->OnRoom();
  return true;
}

absl::Status StreamSession::Start(StartCommand command, const absl::Status& refusal) {
  const std::uint64_t number = command.sequence;
  if (by_number_.contains(number)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sequence ", number, " was started while it was running; give each its own number"));
  }
  const bool with_logprobs = command.request.sampling.logprobs.has_value();
  const absl::StatusOr<std::int64_t> id = refusal.ok() ? engine_.Submit(std::move(command.request))
                                                       : absl::StatusOr<std::int64_t>(refusal);
  if (!id.ok()) {
    events_.push_back({.sequence = number, .token = id.status(), .finish = {}});
    return absl::OkStatus();
  }
  by_number_[number] = {.id = *id, .with_logprobs = with_logprobs};
  number_of_id_[*id] = number;
  return absl::OkStatus();
}

void StreamSession::Cancel(std::uint64_t number) {
  const auto found = by_number_.find(number);
  if (found == by_number_.end()) return;
  engine_.Cancel(found->second.id);
  number_of_id_.erase(found->second.id);
  by_number_.erase(found);
}

bool StreamSession::Take(TokenEvent& event) {
  const auto found = number_of_id_.find(event.sequence);
  if (found == number_of_id_.end()) return false;
  const std::uint64_t number = found->second;
  const bool last = event.finish.has_value() || !event.token.ok();
  events_.push_back({.sequence = number,
                     .token = std::move(event.token),
                     .with_logprobs = by_number_.at(number).with_logprobs,
                     .finish = event.finish,
                     .cached_prompt_tokens = event.cached_prompt_tokens});
  if (last) {
    by_number_.erase(number);
    number_of_id_.erase(found);
  }
  return true;
}

bool StreamSession::Deliver(const EngineLoad& load) {
  if (!events_.empty()) listener_->OnEvents(std::exchange(events_, {}), load);
  if (!ended_ || !by_number_.empty()) return true;
  listener_->OnEnd(absl::OkStatus());
  return false;
}

}  // namespace sextant
