// The text of generated ids as it comes, or the ids themselves where a model has no tokenizer; and
// a chat as people type it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "router/model_text/model_text.h"

namespace sextant::cli {

struct TextDelta {
  std::string text;
  bool stopped = false;  // a stop string is complete; it and what follows are left out
};

// The text of one sequence, token by token; only whole characters come out.
class TextStream {
 public:
  virtual ~TextStream() = default;
  [[nodiscard]] virtual absl::StatusOr<TextDelta> Push(std::int32_t id) = 0;
  [[nodiscard]] virtual std::string Flush() = 0;  // the end: what was held back
};

// Without a tokenizer the ids, separated by spaces. `text` outlives the stream.
[[nodiscard]] std::unique_ptr<TextStream> MakeTextStream(
    const ModelText& text, const std::vector<std::string>& stop_strings);

// `messages` is the text of a JSON array of {"role", "content"}.
[[nodiscard]] absl::StatusOr<std::vector<std::int32_t>> EncodeChatText(const ModelText& text,
                                                                       std::string_view messages);

}  // namespace sextant::cli
