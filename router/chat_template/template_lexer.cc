#include "router/chat_template/template_lexer.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant {
namespace {

using Kind = TemplateToken::Kind;

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool BeginsName(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

std::string NormalisedLineBreaks(std::string_view source) {
  std::string text;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      text += '\n';
    } else {
      text += source[i];
    }
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  absl::StatusOr<std::vector<TemplateToken>> Run() {
    while (at_ < source_.size()) RETURN_IF_ERROR(DataAndTag());
    tokens_.push_back(Here(Kind::kEnd));
    return std::move(tokens_);
  }

 private:
  [[nodiscard]] std::string_view Rest() const { return std::string_view(source_).substr(at_); }
  [[nodiscard]] bool At(std::string_view text) const {
    return Rest().substr(0, text.size()) == text;
  }

  [[nodiscard]] TemplateToken Here(Kind kind) const {
    TemplateToken token;
    token.kind = kind;
    token.line = line_;
    token.column = static_cast<int>(at_ - line_begin_) + 1;
    return token;
  }

  void Advance(std::size_t bytes) {
    for (; bytes > 0; --bytes) {
      if (source_[at_++] == '\n') {
        ++line_;
        line_begin_ = at_;
      }
    }
  }

  void SkipSpace() {
    while (at_ < source_.size() && IsSpace(source_[at_])) Advance(1);
  }

  // Text up to the next tag, and that tag.
  absl::Status DataAndTag() {
    TemplateToken data = Here(Kind::kData);
    std::size_t tag = at_;
    while (tag < source_.size() &&
           !(source_[tag] == '{' && tag + 1 < source_.size() &&
             (source_[tag + 1] == '{' || source_[tag + 1] == '%' || source_[tag + 1] == '#'))) {
      ++tag;
    }
    data.text = source_.substr(at_, tag - at_);
    const bool at_line_begin = after_line_break_;
    Advance(tag - at_);
    if (at_ < source_.size()) {
      const char sign = at_ + 2 < source_.size() ? source_[at_ + 2] : '\0';
      TrimBeforeTag(sign, source_[at_ + 1] == '{', at_line_begin, data.text);
    }
    if (!data.text.empty()) tokens_.push_back(std::move(data));
    return at_ < source_.size() ? Tag() : absl::OkStatus();
  }

  static void TrimBeforeTag(char sign, bool output, bool at_line_begin, std::string& text) {
    std::size_t end = text.size();
    while (end > 0 && IsSpace(text[end - 1]) && (sign == '-' || text[end - 1] != '\n')) --end;
    const bool leads_line = end == 0 ? at_line_begin : text[end - 1] == '\n';
    if (sign == '-' || (sign != '+' && !output && leads_line)) text.resize(end);
  }

  absl::Status Tag() {
    const char kind = source_[at_ + 1];
    TemplateToken begin = Here(kind == '{' ? Kind::kOutputBegin : Kind::kBlockBegin);
    Advance(2);
    if (At("-") || At("+")) Advance(1);
    if (kind == '#') return Comment(begin);
    tokens_.push_back(begin);
    for (;;) {
      SkipSpace();
      if (at_ == source_.size()) return TemplateError(begin, "this tag is not closed");
      if (Closes(kind == '{' ? "}}" : "%}", kind == '%')) return absl::OkStatus();
      RETURN_IF_ERROR(Token());
    }
  }

  absl::Status Comment(const TemplateToken& begin) {
    const std::size_t end = source_.find("#}", at_);
    if (end == std::string::npos) return TemplateError(begin, "this comment is not closed");
    const bool sign = end > at_ && (source_[end - 1] == '-' || source_[end - 1] == '+');
    Advance(end - at_ - (sign ? 1 : 0));
    Closes("#}", true);
    return absl::OkStatus();
  }

  // Takes the end of a tag and the white space that goes with it.
  bool Closes(std::string_view end, bool block) {
    const bool minus = At("-") && Rest().substr(1, 2) == end;
    const bool plus = block && At("+") && Rest().substr(1, 2) == end;
    if (!minus && !plus && !At(end)) return false;
    if (end != "#}") tokens_.push_back(Here(block ? Kind::kBlockEnd : Kind::kOutputEnd));
    Advance(minus || plus ? 3 : 2);
    const std::size_t after = at_;
    if (minus) SkipSpace();
    if (block && !minus && !plus && At("\n")) Advance(1);
    after_line_break_ = at_ > after && source_[at_ - 1] == '\n';
    return true;
  }

  absl::Status Token() {
    const char c = source_[at_];
    if (c == '\'' || c == '"') return String();
    TemplateToken token = Here(Kind::kOperator);
    std::size_t length = 1;
    if (BeginsName(c)) {
      token.kind = Kind::kName;
      while (at_ + length < source_.size() &&
             (BeginsName(source_[at_ + length]) || IsDigit(source_[at_ + length]))) {
        ++length;
      }
    } else if (IsDigit(c)) {
      token.kind = Kind::kInteger;
      for (length = 0; at_ + length < source_.size() && IsDigit(source_[at_ + length]); ++length) {
        token.number = token.number * 10 + (source_[at_ + length] - '0');
        if (token.number > INT32_MAX) return TemplateError(token, "this number is too large");
      }
      const char next = at_ + length < source_.size() ? source_[at_ + length] : ' ';
      if ((c == '0' && length > 1) || BeginsName(next)) {
        return TemplateError(token, "only decimal whole numbers are supported");
      }
    } else if (At("==") || At("!=")) {
      length = 2;
    } else if (std::string_view("()[].,=+").find(c) == std::string_view::npos) {
      return TemplateError(
          token, c > ' ' && c <= '~'
                     ? absl::StrCat("'", std::string(1, c), "' is not supported in a chat template")
                     : std::string("an unexpected character"));
    }
    token.text = source_.substr(at_, length);
    Advance(length);
    tokens_.push_back(std::move(token));
    return absl::OkStatus();
  }

  absl::Status String() {
    TemplateToken token = Here(Kind::kString);
    const char quote = source_[at_];
    Advance(1);
    while (at_ < source_.size() && source_[at_] != quote) {
      if (source_[at_] == '\\') {
        static constexpr std::string_view kNames = "ntrfvab\\'\"";
        static constexpr std::string_view kValues = "\n\t\r\f\v\a\b\\'\"";
        const std::size_t known =
            at_ + 1 < source_.size() ? kNames.find(source_[at_ + 1]) : std::string_view::npos;
        if (known == std::string_view::npos) {
          return TemplateError(Here(Kind::kString), "this escape is not supported");
        }
        token.text += kValues[known];
        Advance(2);
      } else {
        token.text += source_[at_];
        Advance(1);
      }
    }
    if (at_ == source_.size()) return TemplateError(token, "this string is not closed");
    Advance(1);
    tokens_.push_back(std::move(token));
    return absl::OkStatus();
  }

  std::string source_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::size_t line_begin_ = 0;
  bool after_line_break_ = true;  // what follows the last tag begins a line
  std::vector<TemplateToken> tokens_;
};

}  // namespace

absl::Status TemplateError(const TemplateToken& at, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("line ", at.line, ", column ", at.column, ": ", what));
}

absl::StatusOr<std::vector<TemplateToken>> LexTemplate(std::string_view source) {
  return Lexer(NormalisedLineBreaks(source)).Run();
}

}  // namespace sextant
