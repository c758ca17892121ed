#include "router/chat_template/template_value.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace sextant {

TemplateValue TextValue(std::string text, bool trusted) {
  TemplateText stretches;
  AppendStretch({std::move(text), trusted}, stretches);
  return std::make_shared<const TemplateText>(std::move(stretches));
}

TemplateValue JsonValue(const nlohmann::json& json) {
  if (json.is_null()) return TemplateNone{};
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_string()) return TextValue(json.get<std::string>(), false);
  const bool large = json.is_number_unsigned() &&
                     json.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  if (json.is_number_integer() && !large) return json.get<std::int64_t>();
  return &json;
}

bool IsTrue(const TemplateValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number != 0;
  if (const auto* text = std::get_if<std::shared_ptr<const TemplateText>>(&value)) {
    return !(*text)->empty();
  }
  if (const auto* json = std::get_if<const nlohmann::json*>(&value)) {
    return (*json)->is_number() ? **json != 0 : !(*json)->empty();
  }
  return !std::holds_alternative<TemplateUndefined>(value) &&
         !std::holds_alternative<TemplateNone>(value);
}

std::string PlainText(const TemplateText& text) {
  std::string plain;
  for (const TextStretch& stretch : text) plain += stretch.text;
  return plain;
}

std::size_t TextBytes(const TemplateText& text) {
  std::size_t bytes = 0;
  for (const TextStretch& stretch : text) bytes += stretch.text.size();
  return bytes;
}

std::string KindName(const TemplateValue& value) {
  if (const auto* json = std::get_if<const nlohmann::json*>(&value)) {
    return (*json)->is_array()    ? "a list"
           : (*json)->is_object() ? "a dictionary"
                                  : "a fraction or a huge number";
  }
  static constexpr const char* kNames[] = {"undefined", "none", "true or false", "a number",
                                           "text",      "",     "a namespace",   "a loop variable"};
  return kNames[value.index()];
}

}  // namespace sextant
