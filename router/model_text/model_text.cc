#include "router/model_text/model_text.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/config/generation_config.h"
#include "router/tokenizer/model_tokenizer.h"

namespace sextant {

ModelText::~ModelText() = default;

absl::StatusOr<std::unique_ptr<const ModelText>> ModelText::Load(const std::string& model_dir,
                                                                 const ModelConfig& model) {
  std::unique_ptr<ModelText> text(new ModelText());
  text->model_dir_ = model_dir;
  const std::filesystem::path dir(model_dir);
  ASSIGN_OR_RETURN(const GenerationConfig generation, ReadGenerationConfig(model_dir, model));
  text->default_sampling_ = generation.sampling;
  text->eos_ids_.assign(generation.eos_token_ids.begin(), generation.eos_token_ids.end());
  if (!std::filesystem::exists(dir / "tokenizer.json")) return text;

  ASSIGN_OR_RETURN(text->tokenizer_, ModelTokenizer::Load(dir));
  ASSIGN_OR_RETURN(const std::vector<bool> valid, text->tokenizer_->ValidIds(model.vocab_size));
  for (std::size_t id = 0; id < valid.size(); ++id) {
    if (!valid[id]) text->banned_ids_.push_back(static_cast<std::int32_t>(id));
  }
  return text;
}

const Tokenizer* ModelText::tokenizer() const {
  return tokenizer_ == nullptr ? nullptr : &tokenizer_->tokenizer();
}

absl::StatusOr<const ModelTokenizer*> ModelText::RequireTokenizer() const {
  if (tokenizer_ != nullptr) return tokenizer_.get();
  return absl::FailedPreconditionError(
      absl::StrCat(model_dir_, " has no tokenizer.json; give token ids instead of text"));
}

absl::StatusOr<std::vector<std::int32_t>> ModelText::EncodePrompt(std::string_view text) const {
  ASSIGN_OR_RETURN(const ModelTokenizer* tokenizer, RequireTokenizer());
  return tokenizer->EncodePrompt(text);
}

absl::StatusOr<std::vector<std::int32_t>> ModelText::EncodeChat(
    const nlohmann::json& messages) const {
  ASSIGN_OR_RETURN(const ModelTokenizer* tokenizer, RequireTokenizer());
  return tokenizer->EncodeChat(messages);
}

}  // namespace sextant
