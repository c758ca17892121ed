// What a model's folder says about text and how to sample it: tokenizer, chat template, end
// tokens, ids that have no token, and the publisher's sampling.
//
// Threads:   const after Load; any number of threads.
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
class Tokenizer;

class ModelText {
 public:
  // Reads tokenizer.json, tokenizer_config.json and generation_config.json where they are. A
  // folder without tokenizer.json is fine until text is asked for.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<const ModelText>> Load(
      const std::string& model_dir, const ModelConfig& model);
  ~ModelText();
  ModelText(const ModelText&) = delete;
  ModelText& operator=(const ModelText&) = delete;

  // As ModelTokenizer has them. FailedPrecondition when the folder has no tokenizer.
  [[nodiscard]] absl::StatusOr<std::vector<std::int32_t>> EncodePrompt(std::string_view text) const;
  [[nodiscard]] absl::StatusOr<std::vector<std::int32_t>> EncodeChat(
      const nlohmann::json& messages) const;

  // Null: the folder has none, and its tokens have ids only.
  [[nodiscard]] const Tokenizer* tokenizer() const;

  [[nodiscard]] const std::vector<std::int32_t>& banned_ids() const { return banned_ids_; }
  [[nodiscard]] const std::vector<std::int32_t>& eos_ids() const { return eos_ids_; }
  // What generation_config.json recommends; seed and penalties as when nothing is said.
  [[nodiscard]] const SamplingParams& default_sampling() const { return default_sampling_; }

 private:
  ModelText() = default;
  [[nodiscard]] absl::StatusOr<const ModelTokenizer*> RequireTokenizer() const;

  std::string model_dir_;
  std::unique_ptr<const ModelTokenizer> tokenizer_;
  std::vector<std::int32_t> banned_ids_;  // ascending
  std::vector<std::int32_t> eos_ids_;
  SamplingParams default_sampling_;
};

}  // namespace sextant
