// How a model's publisher wants it sampled, read from generation_config.json.
//
// Where the file is absent, as with a checkpoint of random weights, generation is greedy and
// config.json's end tokens end it. Keys that Sextant has no use for are ignored.
//
// Errors: InvalidArgument naming file, key, value and range (those of SamplingParams).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/config/model_config.h"
#include "common/sampling_params/sampling_params.h"

namespace sextant {

struct GenerationConfig {
  // temperature 0 where do_sample is false or absent; a top_k that is absent, null, 0 or -1
  // keeps all tokens.
  SamplingParams sampling;
  std::vector<std::int64_t> eos_token_ids;  // the file's, else config.json's
};

// Reads DIR/generation_config.json if it is there.
[[nodiscard]] absl::StatusOr<GenerationConfig> ReadGenerationConfig(const std::string& dir,
                                                                    const ModelConfig& model);

// The same from text; `source` names it in errors.
[[nodiscard]] absl::StatusOr<GenerationConfig> ParseGenerationConfig(absl::string_view text,
                                                                     const std::string& source,
                                                                     const ModelConfig& model);

}  // namespace sextant
