// Runs a parsed template once.
//
// A loop's body has its own variables, as in Jinja: what it sets is gone after each round, and
// only a namespace carries values out. Bodies of `if` share the variables around them.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "router/chat_template/template_ast.h"

namespace sextant {

class TemplateInterpreter {
 public:
  using Variables = std::map<std::string, TemplateValue>;

  explicit TemplateInterpreter(Variables variables) { scopes_.push_back(std::move(variables)); }

  // Errors: those of ChatTemplate::Render.
  [[nodiscard]] absl::StatusOr<TemplateText> Run(const TemplateBody& body);

 private:
  using Result = absl::StatusOr<TemplateValue>;

  absl::Status Execute(const TemplateBody& body);
  absl::Status Set(const TemplateStatement& statement);
  absl::Status If(const TemplateStatement& statement);
  absl::Status For(const TemplateStatement& statement);
  absl::Status Write(const TemplateToken& at, const TemplateValue& value);

  Result Evaluate(const TemplateExpression& expression);
  Result Sum(const TemplateExpression& expression);
  Result Member(const TemplateExpression& expression);
  Result Element(const TemplateExpression& expression);
  absl::StatusOr<bool> Holds(const TemplateExpression& expression);
  absl::StatusOr<bool> Equal(const TemplateToken& at, const TemplateValue& a,
                             const TemplateValue& b);
  absl::StatusOr<bool> In(const TemplateToken& at, const TemplateValue& a, const TemplateValue& b);

  // Counts work, `bytes` of it copying.
  absl::Status Charge(const TemplateToken& at, std::size_t bytes);

  std::vector<Variables> scopes_;
  TemplateText text_;
  std::size_t text_bytes_ = 0;
  std::size_t steps_ = 0;
};

}  // namespace sextant
