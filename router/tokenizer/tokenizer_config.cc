#include "router/tokenizer/tokenizer_config.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/status.h"
#include "common/config/json_document.h"
#include "router/tokenizer/checked_json.h"

namespace sextant {
namespace {

// `transformers` writes int(1e30) where there is no limit.
constexpr double kNoLimit = 1e15;

// A token is its text, or an object with the text as "content".
absl::StatusOr<std::optional<std::string>> ReadToken(const JsonAt& root, const char* key) {
  ASSIGN_OR_RETURN(const std::optional<JsonAt> token, root.Find(key));
  if (!token) return std::optional<std::string>();
  ASSIGN_OR_RETURN(std::string text,
                   token->value().is_object() ? token->StringMember("content") : token->String());
  return std::optional<std::string>(std::move(text));
}

absl::StatusOr<std::optional<std::int64_t>> ReadMaxLength(const JsonAt& root) {
  ASSIGN_OR_RETURN(const std::optional<JsonAt> length, root.Find("model_max_length"));
  if (!length || (length->value().is_number() && length->value().get<double>() >= kNoLimit)) {
    return std::optional<std::int64_t>();
  }
  ASSIGN_OR_RETURN(const std::int64_t tokens,
                   length->Integer(1, static_cast<std::int64_t>(kNoLimit)));
  return std::optional<std::int64_t>(tokens);
}

// The text of the template: a string, or the one named "default" of a list.
absl::StatusOr<std::optional<JsonAt>> FindTemplate(const JsonAt& root) {
  ASSIGN_OR_RETURN(const std::optional<JsonAt> found, root.Find("chat_template"));
  if (!found || !found->value().is_array()) return found;
  for (std::size_t i = 0; i < found->value().size(); ++i) {
    const JsonAt entry = (*found)[i];
    ASSIGN_OR_RETURN(const std::string name, entry.StringMember("name"));
    if (name != "default") continue;
    ASSIGN_OR_RETURN(JsonAt text, entry.Member("template"));
    return std::optional<JsonAt>(std::move(text));
  }
  return found->Error("no template of the list is named \"default\"");
}

}  // namespace

absl::StatusOr<TokenizerConfig> ReadTokenizerConfig(std::string_view text) {
  ASSIGN_OR_RETURN(const nlohmann::json json,
                   ParseJson({text.data(), text.size()}, "tokenizer_config.json"));
  const JsonAt root(json, "");
  TokenizerConfig config;
  ASSIGN_OR_RETURN(config.add_bos_token, root.BoolMember("add_bos_token", false));
  ASSIGN_OR_RETURN(const bool add_eos_token, root.BoolMember("add_eos_token", false));
  if (add_eos_token) return root.Error("\"add_eos_token\" is only supported as false");
  ASSIGN_OR_RETURN(config.bos_token, ReadToken(root, "bos_token"));
  ASSIGN_OR_RETURN(config.eos_token, ReadToken(root, "eos_token"));
  ASSIGN_OR_RETURN(config.model_max_length, ReadMaxLength(root));
  ASSIGN_OR_RETURN(const std::optional<JsonAt> source, FindTemplate(root));
  if (source) {
    ASSIGN_OR_RETURN(const std::string template_text, source->String());
    absl::StatusOr<ChatTemplate> parsed = ChatTemplate::Parse(template_text);
    if (!parsed.ok()) return AddContext(parsed.status(), source->path());
    config.chat_template = *std::move(parsed);
  }
  return config;
}

}  // namespace sextant
