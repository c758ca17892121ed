#include "router/tokenizer/model_tokenizer.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/file.h"
#include "common/base/status.h"
#include "router/tokenizer/tokenizer_config.h"

namespace sextant {
namespace {

constexpr std::int64_t kMaxTokenizerBytes = std::int64_t{64} << 20U;
constexpr std::int64_t kMaxConfigBytes = std::int64_t{4} << 20U;

absl::StatusOr<std::optional<Tokenizer::Id>> FindSpecial(
    const Tokenizer& tokenizer, const std::optional<std::string>& content) {
  if (!content) return std::optional<Tokenizer::Id>();
  const std::optional<Tokenizer::Id> id = tokenizer.AddedId(*content);
  if (id) return id;
  return absl::InvalidArgumentError(
      absl::StrCat("\"", *content, "\" is not among the added_tokens of tokenizer.json"));
}

absl::Status CheckMessages(const nlohmann::json& messages) {
  if (!messages.is_array()) {
    return absl::InvalidArgumentError("the messages must be an array of {role, content} objects");
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto& message = messages[i];
    if (!message.is_object() || !message.contains("role") || !message["role"].is_string()) {
      return absl::InvalidArgumentError(
          absl::StrCat("messages[", i, "] must be an object with a \"role\""));
    }
  }
  return absl::OkStatus();
}

}  // namespace

struct ModelTokenizer::Parts {
  std::string model_dir;
  std::unique_ptr<const Tokenizer> tokenizer;
  TokenizerConfig config;
  std::optional<Tokenizer::Id> bos_id;
  std::optional<Tokenizer::Id> eos_id;
};

ModelTokenizer::ModelTokenizer(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
ModelTokenizer::~ModelTokenizer() = default;

absl::StatusOr<std::unique_ptr<const ModelTokenizer>> ModelTokenizer::Load(
    const std::filesystem::path& model_dir) {
  Parts parts;
  parts.model_dir = model_dir.string();
  const std::string tokenizer_path = (model_dir / "tokenizer.json").string();
  ASSIGN_OR_RETURN(const std::string tokenizer_json, ReadFile(tokenizer_path, kMaxTokenizerBytes));
  auto tokenizer = Tokenizer::FromJson(tokenizer_json);
  if (!tokenizer.ok()) return AddContext(tokenizer.status(), tokenizer_path);
  parts.tokenizer = *std::move(tokenizer);

  const std::string config_path = (model_dir / "tokenizer_config.json").string();
  ASSIGN_OR_RETURN(const std::string config_json, ReadFile(config_path, kMaxConfigBytes));
  auto config = ReadTokenizerConfig(config_json);
  if (!config.ok()) return AddContext(config.status(), config_path);
  parts.config = *std::move(config);
  auto bos_id = FindSpecial(*parts.tokenizer, parts.config.bos_token);
  if (!bos_id.ok()) return AddContext(bos_id.status(), config_path + ": bos_token");
  auto eos_id = FindSpecial(*parts.tokenizer, parts.config.eos_token);
  if (!eos_id.ok()) return AddContext(eos_id.status(), config_path + ": eos_token");
  parts.bos_id = *bos_id;
  parts.eos_id = *eos_id;
  if (parts.config.add_bos_token && !parts.bos_id) {
    return absl::InvalidArgumentError(
        absl::StrCat(config_path, ": add_bos_token is true, but there is no bos_token"));
  }
  return std::unique_ptr<const ModelTokenizer>(
      new ModelTokenizer(std::make_unique<const Parts>(std::move(parts))));
}

const Tokenizer& ModelTokenizer::tokenizer() const { return *parts_->tokenizer; }
std::optional<Tokenizer::Id> ModelTokenizer::bos_id() const { return parts_->bos_id; }
std::optional<Tokenizer::Id> ModelTokenizer::eos_id() const { return parts_->eos_id; }
std::optional<std::int64_t> ModelTokenizer::model_max_length() const {
  return parts_->config.model_max_length;
}

absl::StatusOr<std::vector<Tokenizer::Id>> ModelTokenizer::EncodePrompt(
    std::string_view text) const {
  ASSIGN_OR_RETURN(std::vector<Tokenizer::Id> ids, parts_->tokenizer->Encode(text));
  if (parts_->config.add_bos_token) ids.insert(ids.begin(), *parts_->bos_id);
  return ids;
}

absl::StatusOr<std::vector<Tokenizer::Id>> ModelTokenizer::EncodeChat(
    const nlohmann::json& messages, bool add_generation_prompt) const {
  if (!parts_->config.chat_template) {
    return absl::FailedPreconditionError(
        absl::StrCat(parts_->model_dir,
                     ": the model has no chat template (chat_template in tokenizer_config.json); "
                     "give a plain prompt instead"));
  }
  RETURN_IF_ERROR(CheckMessages(messages));
  const absl::StatusOr<TemplateText> text =
      parts_->config.chat_template->Render({.messages = messages,
                                            .bos_token = parts_->config.bos_token.value_or(""),
                                            .eos_token = parts_->config.eos_token.value_or(""),
                                            .add_generation_prompt = add_generation_prompt});
  if (!text.ok()) return AddContext(text.status(), "the chat template");
  return parts_->tokenizer->EncodeTrusted(*text);
}

absl::StatusOr<std::vector<bool>> ModelTokenizer::ValidIds(std::int64_t vocab_size) const {
  const std::int64_t limit = parts_->tokenizer->IdLimit();
  if (limit > vocab_size) {
    return absl::InvalidArgumentError(
        absl::StrCat(parts_->model_dir, ": tokenizer.json has ids up to ", limit - 1,
                     ", but config.json says vocab_size ", vocab_size));
  }
  std::vector<bool> valid(static_cast<std::size_t>(vocab_size), false);
  for (std::int64_t id = 0; id < limit; ++id) {
    valid[static_cast<std::size_t>(id)] =
        parts_->tokenizer->Bytes(static_cast<Tokenizer::Id>(id)).has_value();
  }
  return valid;
}

}  // namespace sextant
