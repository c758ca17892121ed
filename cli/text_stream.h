// Text in and out of a model folder: through its tokenizer, or as plain ids where it has none.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/config/model_config.h"
#include "common/sampling_params/sampling_params.h"

namespace sextant {
class ModelTokenizer;
}

namespace sextant::cli {

struct TextDelta {
  std::string text;
  bool stopped = false;  // a stop string is complete; it and what follows are left out
};

// The text of one sequence, token by token; only whole characters come out.
class TextStream {
 public:
  virtual ~TextStream() = default;
  [[nodiscard]] virtual absl::StatusOr<TextDelta> Push(std::int32_t id) = 0;
  [[nodiscard]] virtual std::string Flush() = 0;  // the end: what was held back
};

class ModelText {
 public:
  // Reads tokenizer.json, tokenizer_config.json and generation_config.json where they are. A
  // folder without tokenizer.json is fine until text is asked for.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<ModelText>> Load(const std::string& model_dir,
                                                                       const ModelConfig& model);
  ~ModelText();

  [[nodiscard]] absl::StatusOr<std::vector<std::int32_t>> EncodePrompt(std::string_view text) const;
  // `messages` is a JSON array of {"role", "content"}, as text or parsed.
  [[nodiscard]] absl::StatusOr<std::vector<std::int32_t>> EncodeChatText(
      std::string_view messages) const;
  [[nodiscard]] absl::StatusOr<std::vector<std::int32_t>> EncodeChat(
      const nlohmann::json& messages) const;

  // Without a tokenizer the ids themselves, separated by spaces.
  [[nodiscard]] std::unique_ptr<TextStream> MakeStream(
      const std::vector<std::string>& stop_strings) const;

  [[nodiscard]] const std::vector<std::int32_t>& banned_ids() const { return banned_ids_; }
  [[nodiscard]] const std::vector<std::int32_t>& eos_ids() const { return eos_ids_; }
  // What generation_config.json recommends; seed and penalties as when nothing is said.
  [[nodiscard]] const SamplingParams& default_sampling() const { return default_sampling_; }

 private:
  ModelText() = default;
  [[nodiscard]] absl::StatusOr<const ModelTokenizer*> RequireTokenizer() const;

  std::string model_dir_;
  std::unique_ptr<const ModelTokenizer> tokenizer_;  // null: the folder has none
  std::vector<std::int32_t> banned_ids_;
  std::vector<std::int32_t> eos_ids_;
  SamplingParams default_sampling_;
};

}  // namespace sextant::cli
