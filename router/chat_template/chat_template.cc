#include "router/chat_template/chat_template.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "router/chat_template/interpreter.h"
#include "router/chat_template/template_parser.h"

namespace sextant {

struct ChatTemplate::Program {
  TemplateBody body;
};

ChatTemplate::ChatTemplate(std::unique_ptr<const Program> program) : program_(std::move(program)) {}
ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

absl::StatusOr<ChatTemplate> ChatTemplate::Parse(std::string_view source) {
  if (source.size() > kMaxSourceBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the template is longer than ", kMaxSourceBytes, " bytes"));
  }
  ASSIGN_OR_RETURN(TemplateBody body, ParseTemplate(source));
  return ChatTemplate(std::make_unique<const Program>(Program{std::move(body)}));
}

absl::StatusOr<TemplateText> ChatTemplate::Render(const Input& input) const {
  TemplateInterpreter::Variables variables = {
      {"messages", JsonValue(input.messages)},
      {"bos_token", TextValue(input.bos_token, true)},
      {"eos_token", TextValue(input.eos_token, true)},
      {"add_generation_prompt", input.add_generation_prompt},
      {"tools", TemplateNone{}},
      {"documents", TemplateNone{}},
  };
  return TemplateInterpreter(std::move(variables)).Run(program_->body);
}

}  // namespace sextant
