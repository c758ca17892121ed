#include "router/chat_template/expression_parser.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant {
namespace {

using Kind = TemplateExpression::Kind;
using Word = TemplateToken::Kind;

constexpr std::array<std::string_view, 22> kReserved = {
    "and", "or",   "not",  "in",    "is",    "if",   "else", "elif", "endif", "for",   "endfor",
    "set", "true", "True", "false", "False", "none", "None", "loop", "macro", "block", "namespace"};
constexpr std::array<std::string_view, 5> kLoopMembers = {"index", "index0", "first", "last",
                                                          "length"};
// Jinja finds these methods of Python's dictionaries before a member of the same name.
constexpr std::array<std::string_view, 11> kMethods = {
    "clear", "copy",    "fromkeys",   "get",    "items", "keys",
    "pop",   "popitem", "setdefault", "update", "values"};

template <std::size_t N>
bool OneOf(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

TemplateExpression Make(Kind kind, const TemplateToken& at) {
  TemplateExpression expression;
  expression.kind = kind;
  expression.at.line = at.line;
  expression.at.column = at.column;
  return expression;
}

TemplateExpression Make(Kind kind, TemplateExpression operand) {
  TemplateExpression expression = Make(kind, operand.at);
  expression.operands.push_back(std::move(operand));
  return expression;
}

}  // namespace

bool TokenCursor::TakeIf(TemplateToken::Kind kind, std::string_view text) {
  if (!Now().Is(kind, text)) return false;
  ++at_;
  return true;
}

absl::StatusOr<std::string> TokenCursor::TakeVariable() {
  if (Now().kind != Word::kName || OneOf(kReserved, Now().text)) {
    return TemplateError(Now(), "a variable's name is wanted here");
  }
  return Take().text;
}

absl::Status TokenCursor::ExpectOperator(std::string_view text) {
  if (TakeOperator(text)) return absl::OkStatus();
  return TemplateError(Now(), absl::StrCat("'", std::string(text), "' is wanted here"));
}

ExpressionParser::Result ExpressionParser::List(Kind kind, std::string_view word,
                                                Result (ExpressionParser::*part)(int), int depth) {
  ASSIGN_OR_RETURN(TemplateExpression first, (this->*part)(depth));
  const Word token = kind == Kind::kSum ? Word::kOperator : Word::kName;
  if (!cursor_.Now().Is(token, word)) return first;
  TemplateExpression list = Make(kind, std::move(first));
  while (cursor_.Now().Is(token, word)) {
    cursor_.Take();
    ASSIGN_OR_RETURN(TemplateExpression next, (this->*part)(depth));
    list.operands.push_back(std::move(next));
  }
  return list;
}

ExpressionParser::Result ExpressionParser::Or(int depth) {
  if (depth > kMaxTemplateDepth) return TemplateError(cursor_.Now(), "nested too deeply");
  return List(Kind::kOr, "or", &ExpressionParser::And, depth);
}

ExpressionParser::Result ExpressionParser::And(int depth) {
  return List(Kind::kAnd, "and", &ExpressionParser::Not, depth);
}

ExpressionParser::Result ExpressionParser::Not(int depth) {
  if (depth > kMaxTemplateDepth) return TemplateError(cursor_.Now(), "nested too deeply");
  if (!cursor_.TakeWord("not")) return Comparison(depth);
  ASSIGN_OR_RETURN(TemplateExpression operand, Not(depth + 1));
  return Make(Kind::kNot, std::move(operand));
}

ExpressionParser::Result ExpressionParser::Comparison(int depth) {
  ASSIGN_OR_RETURN(TemplateExpression left, Sum(depth));
  const TemplateToken at = cursor_.Now();
  const bool negated = at.Is(Word::kOperator, "!=") || at.Is(Word::kName, "not");
  const bool equality = at.Is(Word::kOperator, "==") || at.Is(Word::kOperator, "!=");
  if (!equality && !at.Is(Word::kName, "in") && !at.Is(Word::kName, "not")) return left;
  cursor_.Take();
  if (at.text == "not" && !cursor_.TakeWord("in")) {
    return TemplateError(cursor_.Now(), "'in' is wanted after 'not'");
  }
  TemplateExpression comparison = Make(equality ? Kind::kEqual : Kind::kIn, std::move(left));
  ASSIGN_OR_RETURN(TemplateExpression right, Sum(depth));
  comparison.operands.push_back(std::move(right));
  const TemplateToken& next = cursor_.Now();
  if (next.Is(Word::kOperator, "==") || next.Is(Word::kOperator, "!=") ||
      next.Is(Word::kName, "in") || next.Is(Word::kName, "not")) {
    return TemplateError(next, "a comparison of a comparison is not supported");
  }
  return negated ? Make(Kind::kNot, std::move(comparison)) : std::move(comparison);
}

ExpressionParser::Result ExpressionParser::Sum(int depth) {
  return List(Kind::kSum, "+", &ExpressionParser::Postfix, depth);
}

ExpressionParser::Result ExpressionParser::Postfix(int depth) {
  const std::size_t used_before = names_.used.size();
  ASSIGN_OR_RETURN(TemplateExpression value, Primary(depth));
  for (int links = depth; links <= kMaxTemplateDepth; ++links) {
    if (cursor_.TakeWord("is")) {
      ASSIGN_OR_RETURN(TemplateExpression test, Test(std::move(value)));
      const TemplateExpression& inner = test.kind == Kind::kNot ? test.operands[0] : test;
      if (inner.kind == Kind::kDefined && inner.operands[0].kind == Kind::kVariable) {
        names_.used.resize(used_before);
      }
      return test;
    }
    const TemplateToken& now = cursor_.Now();
    if (!now.Is(Word::kOperator, ".") && !now.Is(Word::kOperator, "[")) {
      if (now.Is(Word::kOperator, "(")) return TemplateError(now, "calls are not supported");
      return value;
    }
    ASSIGN_OR_RETURN(value, Member(std::move(value), depth));
  }
  return TemplateError(cursor_.Now(), "nested too deeply");
}

ExpressionParser::Result ExpressionParser::Test(TemplateExpression subject) {
  const bool negated = cursor_.TakeWord("not");
  const TemplateToken name = cursor_.Take();
  const bool defined = name.Is(Word::kName, "defined");
  if (!defined && !name.Is(Word::kName, "none")) {
    return TemplateError(name, "only the tests 'defined' and 'none' are supported");
  }
  TemplateExpression test = Make(defined ? Kind::kDefined : Kind::kNone, std::move(subject));
  return negated ? Make(Kind::kNot, std::move(test)) : std::move(test);
}

ExpressionParser::Result ExpressionParser::Member(TemplateExpression object, int depth) {
  const bool loop = object.kind == Kind::kVariable && object.name == "loop";
  TemplateExpression member = Make(Kind::kMember, std::move(object));
  if (cursor_.TakeOperator(".")) {
    const TemplateToken name = cursor_.Take();
    if (name.kind != Word::kName || OneOf(kMethods, name.text) ||
        (loop && !OneOf(kLoopMembers, name.text))) {
      return TemplateError(name, "this member is not supported");
    }
    member.name = name.text;
    return member;
  }
  const TemplateToken bracket = cursor_.Take();
  if (loop) return TemplateError(bracket, "elements of 'loop' are not supported");
  member.kind = Kind::kElement;
  ASSIGN_OR_RETURN(TemplateExpression index, Or(depth + 1));
  member.operands.push_back(std::move(index));
  RETURN_IF_ERROR(cursor_.ExpectOperator("]"));
  return member;
}

ExpressionParser::Result ExpressionParser::Primary(int depth) {
  const TemplateToken token = cursor_.Take();
  TemplateExpression value = Make(Kind::kLiteral, token);
  if (token.kind == Word::kString) {
    value.literal = TextValue(token.text, true);
  } else if (token.kind == Word::kInteger) {
    value.literal = token.number;
  } else if (token.Is(Word::kOperator, "(")) {
    ASSIGN_OR_RETURN(value, Or(depth + 1));
    RETURN_IF_ERROR(cursor_.ExpectOperator(")"));
  } else if (token.kind != Word::kName) {
    return TemplateError(token, "a value is wanted here");
  } else if (token.text == "true" || token.text == "True") {
    value.literal = true;
  } else if (token.text == "false" || token.text == "False") {
    value.literal = false;
  } else if (token.text == "none" || token.text == "None") {
    value.literal = TemplateNone{};
  } else if (token.text == "namespace") {
    return Namespace(std::move(value), depth);
  } else if (OneOf(kReserved, token.text) && token.text != "loop") {
    return TemplateError(token, "a value is wanted here");
  } else {
    value.kind = Kind::kVariable;
    value.name = token.text;
    names_.used.push_back(token);
  }
  return value;
}

ExpressionParser::Result ExpressionParser::Namespace(TemplateExpression result, int depth) {
  result.kind = Kind::kNamespace;
  RETURN_IF_ERROR(cursor_.ExpectOperator("("));
  while (!cursor_.TakeOperator(")")) {
    if (!result.names.empty()) RETURN_IF_ERROR(cursor_.ExpectOperator(","));
    ASSIGN_OR_RETURN(std::string name, cursor_.TakeVariable());
    RETURN_IF_ERROR(cursor_.ExpectOperator("="));
    ASSIGN_OR_RETURN(TemplateExpression value, Or(depth + 1));
    result.names.push_back(std::move(name));
    result.operands.push_back(std::move(value));
  }
  return result;
}

}  // namespace sextant
