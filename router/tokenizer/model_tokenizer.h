// What a model directory says about text: tokenizer.json, tokenizer_config.json and the chat
// template in it. No weights are needed.
//
// Threads:   const after Load; any number of threads.
// Errors:    NotFound or InvalidArgument naming the file; nothing in the files is skipped silently.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "router/tokenizer/tokenizer.h"

namespace sextant {

class ModelTokenizer {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<const ModelTokenizer>> Load(
      const std::filesystem::path& model_dir);
  ~ModelTokenizer();
  ModelTokenizer(const ModelTokenizer&) = delete;
  ModelTokenizer& operator=(const ModelTokenizer&) = delete;

  [[nodiscard]] const Tokenizer& tokenizer() const;
  [[nodiscard]] std::optional<Tokenizer::Id> bos_id() const;
  [[nodiscard]] std::optional<Tokenizer::Id> eos_id() const;
  // The longest prompt that the tokenizer's configuration names, where it names one.
  [[nodiscard]] std::optional<std::int64_t> model_max_length() const;

  // A completion's prompt: BOS where the configuration has add_bos_token, then `text` as plain
  // text.
  [[nodiscard]] absl::StatusOr<std::vector<Tokenizer::Id>> EncodePrompt(
      std::string_view text) const;

  // A chat's prompt: `messages` is a JSON array of {"role": ..., "content": ...}, rendered by the
  // model's template. Only the template's own text can become special tokens; what the messages
  // say stays text. FailedPrecondition when the model has no chat template.
  [[nodiscard]] absl::StatusOr<std::vector<Tokenizer::Id>> EncodeChat(
      const nlohmann::json& messages, bool add_generation_prompt = true) const;

  // One entry per logit: true where the id has a token. The others must never be sampled.
  // InvalidArgument when the tokenizer has ids beyond `vocab_size`.
  [[nodiscard]] absl::StatusOr<std::vector<bool>> ValidIds(std::int64_t vocab_size) const;

 private:
  struct Parts;
  explicit ModelTokenizer(std::unique_ptr<const Parts> parts);

  std::unique_ptr<const Parts> parts_;
};

}  // namespace sextant
