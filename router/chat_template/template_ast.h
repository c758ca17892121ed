// A parsed template. Trees are at most kMaxTemplateDepth deep, so that walking them by recursion is
// safe; sums and chains of and/or are lists, not towers.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "router/chat_template/template_lexer.h"
#include "router/chat_template/template_value.h"

namespace sextant {

constexpr int kMaxTemplateDepth = 48;

struct TemplateExpression {
  enum class Kind {
    kLiteral,    // `literal`
    kVariable,   // `name`
    kMember,     // operands[0] . `name`
    kElement,    // operands[0] [ operands[1] ]
    kNamespace,  // namespace(names[i]=operands[i])
    kSum,
    kAnd,
    kOr,
    kNot,
    kEqual,
    kIn,       // operands[0] in operands[1]
    kDefined,  // operands[0] is defined
    kNone,     // operands[0] is none
  };
  Kind kind = Kind::kLiteral;
  TemplateToken at;
  TemplateValue literal;
  std::string name;
  std::vector<std::string> names;
  std::vector<TemplateExpression> operands;
};

struct TemplateStatement {
  enum class Kind {
    kText,    // `text`
    kOutput,  // {{ expression }}
    kSet,     // name = expression, or name.member = expression
    kIf,      // the first branch whose condition holds
    kFor,     // for name in expression: branches[0].body
  };
  struct Branch {
    std::vector<TemplateExpression> condition;  // one; none for else and for loops
    std::vector<TemplateStatement> body;
  };
  Kind kind = Kind::kText;
  TemplateToken at;
  std::string text;
  std::string name;
  std::string member;
  TemplateExpression expression;
  std::vector<Branch> branches;
};

using TemplateBody = std::vector<TemplateStatement>;

}  // namespace sextant
