// Turns a stream of token ids into a stream of text, one token at a time.
//
// Only whole UTF-8 characters leave it: the bytes of an unfinished one wait for the next token, and
// bytes that can never become one are replaced by U+FFFD, one for each maximal broken part (the
// Unicode standard's recommendation, and what `tokenizers` does). Stop strings are matched on
// bytes, across token borders; text that may still become a stop string is held back.
//
// Threads:   one stream, one thread; `tokenizer` must outlive it.
// Errors:    NotFound for an id without a token; the stream is unchanged.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "router/tokenizer/stop_matcher.h"
#include "router/tokenizer/tokenizer.h"

namespace sextant {

class IncrementalDetokenizer {
 public:
  // Empty strings among `stop_strings` are ignored.
  explicit IncrementalDetokenizer(const Tokenizer& tokenizer,
                                  const std::vector<std::string>& stop_strings = {});

  struct Delta {
    std::string text;      // to append; often empty
    bool stopped = false;  // a stop string is complete; it and all that follows are left out
  };
  [[nodiscard]] absl::StatusOr<Delta> Push(Tokenizer::Id id);

  // The end of the stream: what was held back, an unfinished character as U+FFFD.
  [[nodiscard]] std::string Flush();

 private:
  const Tokenizer& tokenizer_;
  StopMatcher stop_;
  std::string pending_;  // at most 3 bytes: the start of a character
  bool stopped_ = false;
};

}  // namespace sextant
