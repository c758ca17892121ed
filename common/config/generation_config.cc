#include "common/config/generation_config.h"

#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "common/base/file.h"
#include "common/base/status.h"
#include "common/config/json_document.h"
#include "common/config/json_fields.h"
#include "nlohmann/json.hpp"

namespace sextant {
namespace {

constexpr std::int64_t kMaxBytes = 1 << 20;

// The smallest share and penalty that are not zero for any practical purpose.
constexpr double kMinTopP = 1e-6;
constexpr double kMinRepetitionPenalty = 0.01;

void ReadFloat(JsonFields& fields, const char* key, float* value, DoubleRange range) {
  double read = *value;
  fields.Double(key, &read, range, Presence::kOptional);
  *value = static_cast<float>(read);
}

SamplingParams ReadSampling(JsonFields& fields) {
  SamplingParams sampling;
  bool do_sample = false;
  fields.Bool("do_sample", &do_sample, Presence::kOptional);
  ReadFloat(fields, "temperature", &sampling.temperature, {.min = 0, .max = kMaxTemperature});
  ReadFloat(fields, "top_p", &sampling.top_p, {.min = kMinTopP, .max = 1});
  ReadFloat(fields, "min_p", &sampling.min_p, {.min = 0, .max = 1});
  ReadFloat(fields, "repetition_penalty", &sampling.repetition_penalty,
            {.min = kMinRepetitionPenalty, .max = 2});
  std::int64_t top_k = 0;
  fields.Int("top_k", &top_k, {.min = -1, .max = std::numeric_limits<std::int32_t>::max()},
             Presence::kOptional);
  sampling.top_k = top_k < 0 ? 0 : static_cast<std::int32_t>(top_k);
  if (!do_sample) sampling.temperature = 0;
  return sampling;
}

}  // namespace

absl::StatusOr<GenerationConfig> ParseGenerationConfig(absl::string_view text,
                                                       const std::string& source,
                                                       const ModelConfig& model) {
  ASSIGN_OR_RETURN(const nlohmann::json document, ParseJson(text, source));
  JsonFields fields(document, source);
  GenerationConfig config;
  config.sampling = ReadSampling(fields);
  fields.IntOrList("eos_token_id", &config.eos_token_ids, {.min = 0, .max = model.vocab_size - 1});
  RETURN_IF_ERROR(fields.status());
  if (config.eos_token_ids.empty()) config.eos_token_ids = model.eos_token_ids;
  return config;
}

absl::StatusOr<GenerationConfig> ReadGenerationConfig(const std::string& dir,
                                                      const ModelConfig& model) {
  const std::string path = (std::filesystem::path(dir) / "generation_config.json").string();
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return ParseGenerationConfig("{}", path, model);
  }
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxBytes));
  return ParseGenerationConfig(text, path, model);
}

}  // namespace sextant
