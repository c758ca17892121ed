// What an expression of a template can be.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <variant>

#include "router/chat_template/template_text.h"

namespace sextant {

struct TemplateNamespace;

struct TemplateLoop {
  std::int64_t index0;
  std::int64_t length;
};

struct TemplateUndefined {};
struct TemplateNone {};

// Cheap to copy: text is shared, lists and dictionaries are borrowed from the input.
using TemplateValue = std::variant<TemplateUndefined, TemplateNone, bool, std::int64_t,
                                   std::shared_ptr<const TemplateText>, const nlohmann::json*,
                                   std::shared_ptr<TemplateNamespace>, TemplateLoop>;

struct TemplateNamespace {
  std::map<std::string, TemplateValue> members;
};

[[nodiscard]] TemplateValue TextValue(std::string text, bool trusted);
// A value of the messages: strings are not trusted. Lists, dictionaries and fractions are borrowed.
[[nodiscard]] TemplateValue JsonValue(const nlohmann::json& json);

[[nodiscard]] bool IsTrue(const TemplateValue& value);
// The characters of a text, whoever wrote them.
[[nodiscard]] std::string PlainText(const TemplateText& text);
[[nodiscard]] std::size_t TextBytes(const TemplateText& text);
// "a list", "undefined", for errors.
[[nodiscard]] std::string KindName(const TemplateValue& value);

}  // namespace sextant
