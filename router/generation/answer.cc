#include "router/generation/answer.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace sextant::router {

Answer::Answer(const PreparedRequest& request, std::int32_t index, const Tokenizer* tokenizer)
    : request_(request), index_(index), tokenizer_(tokenizer) {
  if (tokenizer != nullptr) detokenizer_.emplace(*tokenizer, request.stop_texts);
}

ReportedLogprobs Answer::Report(TokenLogprobs logprobs) const {
  ReportedLogprobs report{.logprob = logprobs.logprob};
  report.top.reserve(logprobs.top.size());
  for (const TokenLogprob& entry : logprobs.top) {
    LikelyToken likely{.id = entry.id, .logprob = entry.logprob};
    if (tokenizer_ != nullptr) likely.bytes = tokenizer_->Bytes(entry.id).value_or("");
    report.top.push_back(likely);
  }
  return report;
}

absl::StatusOr<Piece> Answer::Take(PeerToken token) {
  Piece piece{.index = index_};
  if (generated_.empty()) piece.seed = seed();
  generated_.push_back(token.id);
  piece.ids.push_back(token.id);
  if (token.logprobs.has_value() && request_.sampling.logprobs.has_value()) {
    piece.logprobs.push_back(Report(*std::move(token.logprobs)));
  }
  const bool full = static_cast<std::int64_t>(generated_.size()) >= request_.max_tokens;
  if (token.finished || full) piece.finish = token.stopped ? Finish::kStop : Finish::kLength;
  if (!detokenizer_.has_value()) return piece;

  if (!token.stopped) {  // the end token has no text
    absl::StatusOr<IncrementalDetokenizer::Delta> delta = detokenizer_->Push(token.id);
    if (!delta.ok()) {
      return absl::InternalError(
          absl::StrCat("an attention worker generated an id that has no token: ", token.id));
    }
    piece.text = std::move(delta->text);
    if (delta->stopped) piece.finish = Finish::kStop;
  }
  if (piece.finish.has_value()) piece.text += detokenizer_->Flush();
  return piece;
}

}  // namespace sextant::router
