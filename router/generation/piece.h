// What a request's client gets, one piece after another.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace sextant::router {

enum class Finish : std::uint8_t { kStop, kLength };

struct LikelyToken {
  std::int32_t id = 0;
  float logprob = 0;
  std::string_view bytes = {};  // borrowed from the tokenizer; empty without one
};

struct ReportedLogprobs {
  float logprob = 0;                  // of the token that was chosen
  std::vector<LikelyToken> top = {};  // likeliest first
};

struct Usage {
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;  // of all answers
  std::int64_t cached_prompt_tokens = 0;
};

struct Timings {  // since the request's arrival
  double queue_seconds = 0;
  double first_token_seconds = 0;
  double total_seconds = 0;
};

// A part of one answer.
struct Piece {
  std::int32_t index = 0;  // which answer
  std::string text = {};   // whole characters
  std::vector<std::int32_t> ids = {};
  std::vector<ReportedLogprobs> logprobs = {};  // of each id, or none
  std::optional<std::uint64_t> seed = {};       // with an answer's first piece
  std::optional<Finish> finish = {};            // with its last
  std::optional<Usage> usage = {};              // with the request's last, and timings too
  std::optional<Timings> timings = {};
};

// Joins two consecutive pieces of one answer.
void Append(Piece& piece, Piece&& next);

// Where a request's pieces go. Nothing here waits for the client: what it has not taken yet is
// kept, joined.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;

  // Whether the client has gone; its pieces are then not kept. Any thread.
  [[nodiscard]] virtual bool Gone() const = 0;
  virtual void Send(Piece piece) = 0;
  // The end, once; nothing is sent after it. OK: every answer has been sent whole.
  virtual void End(absl::Status status) = 0;
};

}  // namespace sextant::router
