// The expressions of a template, with Jinja's precedence: or, and, not, comparison, +, then `is`,
// members and elements.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "router/chat_template/template_ast.h"

namespace sextant {

// A place in a list of tokens, which ends with kEnd and is never left.
class TokenCursor {
 public:
  explicit TokenCursor(std::vector<TemplateToken> tokens) : tokens_(std::move(tokens)) {}

  [[nodiscard]] const TemplateToken& Now() const { return tokens_[at_]; }
  TemplateToken Take() { return at_ + 1 < tokens_.size() ? tokens_[at_++] : tokens_[at_]; }
  bool TakeOperator(std::string_view text) { return TakeIf(TemplateToken::Kind::kOperator, text); }
  bool TakeWord(std::string_view text) { return TakeIf(TemplateToken::Kind::kName, text); }
  // A name that may be given a value.
  [[nodiscard]] absl::StatusOr<std::string> TakeVariable();
  [[nodiscard]] absl::Status ExpectOperator(std::string_view text);

 private:
  bool TakeIf(TemplateToken::Kind kind, std::string_view text);

  std::vector<TemplateToken> tokens_;
  std::size_t at_ = 0;
};

// Variables as the parser meets them, to find those that nothing sets.
struct TemplateNames {
  std::vector<TemplateToken> used;  // outside of `is defined`
  std::vector<std::string> set;
};

class ExpressionParser {
 public:
  ExpressionParser(TokenCursor& cursor, TemplateNames& names) : cursor_(cursor), names_(names) {}

  [[nodiscard]] absl::StatusOr<TemplateExpression> Parse() { return Or(0); }

 private:
  using Result = absl::StatusOr<TemplateExpression>;
  Result Or(int depth);
  Result And(int depth);
  Result Not(int depth);
  Result Comparison(int depth);
  Result Sum(int depth);
  Result Postfix(int depth);
  Result Test(TemplateExpression subject);
  Result Member(TemplateExpression object, int depth);
  Result Primary(int depth);
  Result Namespace(TemplateExpression result, int depth);
  Result List(TemplateExpression::Kind kind, std::string_view word,
              Result (ExpressionParser::*part)(int), int depth);

  TokenCursor& cursor_;
  TemplateNames& names_;
};

}  // namespace sextant
