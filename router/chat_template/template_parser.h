// Tokens to tree. Errors: InvalidArgument with line and column for what is not supported, and for
// variables that neither the template sets nor Render provides.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "router/chat_template/template_ast.h"

namespace sextant {

[[nodiscard]] absl::StatusOr<TemplateBody> ParseTemplate(std::string_view source);

}  // namespace sextant
