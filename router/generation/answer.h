// One answer of a request under way: what it has generated, and the text of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "router/generation/piece.h"
#include "router/generation/prepared_request.h"
#include "router/scheduling/attention_peer.h"
#include "router/tokenizer/incremental_detokenizer.h"
#include "router/tokenizer/tokenizer.h"

namespace sextant::router {

class Answer {
 public:
  // `tokenizer` may be null: then there is no text. Both outlive the answer.
  Answer(const PreparedRequest& request, std::int32_t index, const Tokenizer* tokenizer);

  // The next token as a piece; its `finish` is set when the answer ends with it: at a stop id,
  // before a stop text, or at max_tokens.
  // Errors: Internal for an id without a token.
  [[nodiscard]] absl::StatusOr<Piece> Take(PeerToken token);

  [[nodiscard]] std::uint64_t seed() const {
    return request_.sampling.seed + static_cast<std::uint64_t>(index_);
  }
  [[nodiscard]] absl::Span<const std::int32_t> generated() const { return generated_; }

 private:
  [[nodiscard]] ReportedLogprobs Report(TokenLogprobs logprobs) const;

  const PreparedRequest& request_;
  const std::int32_t index_;
  const Tokenizer* const tokenizer_;
  std::vector<std::int32_t> generated_;
  std::optional<IncrementalDetokenizer> detokenizer_;
};

}  // namespace sextant::router
