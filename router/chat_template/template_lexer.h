// A template's source as a list of tokens, whitespace control already applied.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sextant {

struct TemplateToken {
  enum class Kind {
    kData,         // text outside of tags; `text` is what is written
    kBlockBegin,   // {%
    kBlockEnd,     // %}
    kOutputBegin,  // {{
    kOutputEnd,    // }}
    kName,
    kString,  // `text` is the value
    kInteger,
    kOperator,
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::string text;
  std::int64_t number = 0;
  int line = 1;
  int column = 1;

  [[nodiscard]] bool Is(Kind wanted, std::string_view wanted_text) const {
    return kind == wanted && text == wanted_text;
  }
};

// InvalidArgument: "line L, column C: what".
[[nodiscard]] absl::Status TemplateError(const TemplateToken& at, absl::string_view what);

// As Jinja2 with trim_blocks and lstrip_blocks: a block's or comment's line break goes with it, and
// so does what leads it on its line when that is white space; '-' takes all white space on its
// side,
// '+' none. The last line break of the source is dropped; "\r\n" and "\r" are line breaks.
// The last token is kEnd. Errors: InvalidArgument with the place.
[[nodiscard]] absl::StatusOr<std::vector<TemplateToken>> LexTemplate(std::string_view source);

}  // namespace sextant
