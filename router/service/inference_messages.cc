#include "router/service/inference_messages.h"

namespace sextant::router {

void WritePiece(const std::string& request_id, const Piece& piece, v1::GenerateResponse& message) {
  message.set_request_id(request_id);
  message.set_index(piece.index);
  message.set_text(piece.text);
  message.mutable_token_ids()->Assign(piece.ids.begin(), piece.ids.end());
  for (const ReportedLogprobs& from : piece.logprobs) {
    v1::TokenLogprobs& logprobs = *message.add_logprobs();
    logprobs.set_logprob(from.logprob);
    for (const LikelyToken& likely : from.top) {
      v1::TokenLogprob& entry = *logprobs.add_top();
      entry.set_token_id(likely.id);
      entry.set_logprob(likely.logprob);
      entry.set_token(std::string(likely.bytes));
    }
  }
  if (piece.seed.has_value()) message.set_seed(*piece.seed);
  if (piece.finish.has_value()) {
    message.set_finish_reason(*piece.finish == Finish::kStop ? v1::FINISH_REASON_STOP
                                                             : v1::FINISH_REASON_LENGTH);
  }
  if (piece.usage.has_value()) {
    message.mutable_usage()->set_prompt_tokens(piece.usage->prompt_tokens);
    message.mutable_usage()->set_completion_tokens(piece.usage->completion_tokens);
    message.mutable_usage()->set_cached_prompt_tokens(piece.usage->cached_prompt_tokens);
  }
  if (piece.timings.has_value()) {
    message.mutable_timings()->set_queue_seconds(piece.timings->queue_seconds);
    message.mutable_timings()->set_first_token_seconds(piece.timings->first_token_seconds);
    message.mutable_timings()->set_total_seconds(piece.timings->total_seconds);
  }
}

}  // namespace sextant::router
