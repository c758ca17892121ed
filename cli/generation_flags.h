// The sampling flags that every generating command shares.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/sampling_params/sampling_params.h"
#include "proto/sextant/v1/inference.pb.h"

namespace CLI {
class App;
}

namespace sextant::cli {

// What was given on the command line; what was not stays empty.
struct GenerationFlags {
  std::optional<float> temperature;
  std::optional<std::int32_t> top_k;
  std::optional<float> top_p;
  std::optional<float> min_p;
  std::optional<float> repetition_penalty;
  std::optional<float> presence_penalty;
  std::optional<float> frequency_penalty;
  std::string logit_bias;  // "id:bias,id:bias"
  std::optional<std::uint64_t> seed;
  std::int64_t max_tokens = 256;
  std::vector<std::string> stop;
  bool ignore_eos = false;
};

void AddGenerationFlags(CLI::App& command, GenerationFlags& flags);

// Laid over the model's defaults. Without a seed one is drawn from the system.
// Errors: InvalidArgument for a malformed logit bias. Ranges are checked by Validate.
[[nodiscard]] absl::StatusOr<SamplingParams> MakeSamplingParams(const GenerationFlags& flags,
                                                                const SamplingParams& defaults);

// The same for a served model: what was not given is left to the server, but for max_tokens.
// Errors: as above, and InvalidArgument for a max_tokens outside of 32 bits.
[[nodiscard]] absl::StatusOr<v1::GenerationParams> ToGenerationParams(const GenerationFlags& flags);

// "1,2,3" (also separated by spaces) as ids. Errors: InvalidArgument naming the flag and what is
// no number.
[[nodiscard]] absl::StatusOr<std::vector<std::int32_t>> ParseIds(absl::string_view flag,
                                                                 absl::string_view text);

}  // namespace sextant::cli
