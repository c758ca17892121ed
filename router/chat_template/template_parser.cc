#include "router/chat_template/template_parser.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "router/chat_template/expression_parser.h"

namespace sextant {
namespace {

using Kind = TemplateStatement::Kind;
using Word = TemplateToken::Kind;

// What Render provides, and what `transformers` passes as None when there are no tools.
constexpr std::array<std::string_view, 6> kProvided = {
    "messages", "bos_token", "eos_token", "add_generation_prompt", "tools", "documents"};

class Parser {
 public:
  explicit Parser(std::vector<TemplateToken> tokens)
      : cursor_(std::move(tokens)), expressions_(cursor_, names_) {}

  absl::StatusOr<TemplateBody> Parse() {
    TemplateBody body;
    RETURN_IF_ERROR(Body(0, body));
    if (cursor_.Now().kind != Word::kEnd) {
      return TemplateError(cursor_.Now(), absl::StrCat("'", cursor_.Now().text, "' ends nothing"));
    }
    for (const TemplateToken& name : names_.used) {
      if (name.text == "loop" ||
          std::find(kProvided.begin(), kProvided.end(), name.text) != kProvided.end() ||
          std::find(names_.set.begin(), names_.set.end(), name.text) != names_.set.end()) {
        continue;
      }
      return TemplateError(name, absl::StrCat("the variable \"", name.text, "\" is not supported"));
    }
    return body;
  }

 private:
  // Statements up to the end, or to a tag that ends or continues a block; its word is next then.
  absl::Status Body(int depth, TemplateBody& body) {
    if (depth > kMaxTemplateDepth) return TemplateError(cursor_.Now(), "nested too deeply");
    for (;;) {
      TemplateStatement statement;
      statement.at.line = cursor_.Now().line;
      statement.at.column = cursor_.Now().column;
      if (cursor_.Now().kind == Word::kData) {
        statement.text = cursor_.Take().text;
      } else if (cursor_.Now().kind == Word::kOutputBegin) {
        cursor_.Take();
        statement.kind = Kind::kOutput;
        ASSIGN_OR_RETURN(statement.expression, expressions_.Parse());
        RETURN_IF_ERROR(Close(Word::kOutputEnd));
      } else if (cursor_.Now().kind == Word::kBlockBegin) {
        cursor_.Take();
        if (cursor_.TakeWord("set")) {
          RETURN_IF_ERROR(Set(statement));
        } else if (cursor_.TakeWord("if")) {
          RETURN_IF_ERROR(If(depth, statement));
        } else if (cursor_.TakeWord("for")) {
          RETURN_IF_ERROR(For(depth, statement));
        } else {
          return EndOfBody();
        }
      } else {
        return absl::OkStatus();
      }
      body.push_back(std::move(statement));
    }
  }

  absl::Status EndOfBody() {
    for (const char* word : {"elif", "else", "endif", "endfor"}) {
      if (cursor_.Now().Is(Word::kName, word)) return absl::OkStatus();
    }
    return TemplateError(cursor_.Now(),
                         cursor_.Now().kind == Word::kName
                             ? absl::StrCat("the tag '", cursor_.Now().text, "' is not supported")
                             : std::string("a tag's name is wanted here"));
  }

  absl::Status Close(Word end) {
    if (cursor_.Now().kind == end) {
      cursor_.Take();
      return absl::OkStatus();
    }
    return TemplateError(cursor_.Now(),
                         absl::StrCat("not supported here: '", cursor_.Now().text, "'"));
  }

  absl::Status Set(TemplateStatement& statement) {
    statement.kind = Kind::kSet;
    const TemplateToken target = cursor_.Now();
    ASSIGN_OR_RETURN(statement.name, cursor_.TakeVariable());
    if (cursor_.TakeOperator(".")) {
      names_.used.push_back(target);
      ASSIGN_OR_RETURN(statement.member, cursor_.TakeVariable());
    } else {
      names_.set.push_back(statement.name);
    }
    RETURN_IF_ERROR(cursor_.ExpectOperator("="));
    ASSIGN_OR_RETURN(statement.expression, expressions_.Parse());
    return Close(Word::kBlockEnd);
  }

  absl::Status If(int depth, TemplateStatement& statement) {
    statement.kind = Kind::kIf;
    for (bool more = true; more;) {
      TemplateStatement::Branch branch;
      ASSIGN_OR_RETURN(TemplateExpression condition, expressions_.Parse());
      branch.condition.push_back(std::move(condition));
      RETURN_IF_ERROR(BranchBody(depth, statement, std::move(branch)));
      more = cursor_.TakeWord("elif");
    }
    if (cursor_.TakeWord("else")) RETURN_IF_ERROR(BranchBody(depth, statement, {}));
    return End("endif", statement);
  }

  absl::Status For(int depth, TemplateStatement& statement) {
    statement.kind = Kind::kFor;
    ASSIGN_OR_RETURN(statement.name, cursor_.TakeVariable());
    names_.set.push_back(statement.name);
    if (!cursor_.TakeWord("in")) return TemplateError(cursor_.Now(), "'in' is wanted here");
    ASSIGN_OR_RETURN(statement.expression, expressions_.Parse());
    RETURN_IF_ERROR(BranchBody(depth, statement, {}));
    return End("endfor", statement);
  }

  absl::Status BranchBody(int depth, TemplateStatement& statement,
                          TemplateStatement::Branch branch) {
    RETURN_IF_ERROR(Close(Word::kBlockEnd));
    RETURN_IF_ERROR(Body(depth + 1, branch.body));
    statement.branches.push_back(std::move(branch));
    return absl::OkStatus();
  }

  absl::Status End(std::string_view word, const TemplateStatement& statement) {
    if (cursor_.TakeWord(word)) return Close(Word::kBlockEnd);
    if (cursor_.Now().kind == Word::kEnd)
      return TemplateError(statement.at, absl::StrCat("'", std::string(word), "' is missing"));
    return TemplateError(cursor_.Now(), absl::StrCat("'", std::string(word), "' is wanted here"));
  }

  TokenCursor cursor_;
  TemplateNames names_;
  ExpressionParser expressions_;
};

}  // namespace

absl::StatusOr<TemplateBody> ParseTemplate(std::string_view source) {
  ASSIGN_OR_RETURN(std::vector<TemplateToken> tokens, LexTemplate(source));
  return Parser(std::move(tokens)).Parse();
}

}  // namespace sextant
