// What an engine is asked for, and what it answers with.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "common/sampling_params/sampling_params.h"
#include "kernels/sampling/sample.h"

namespace sextant {

struct GenerationRequest {
  std::vector<std::int32_t> prompt_ids;  // at least one
  SamplingParams sampling;
  std::int64_t max_tokens = 0;         // in all, those of generated_ids included
  std::vector<std::int32_t> stop_ids;  // ends with FinishReason::kStop; the id is still reported
  // Tokens that the sequence has had elsewhere: replayed and not reported again; the first event
  // is the token after them.
  std::vector<std::int32_t> generated_ids = {};
  std::int32_t priority = 0;  // higher: served first, and preempted last
  // Ids that have logits but no token: never sampled; ascending. Null: those of the engine.
  std::shared_ptr<const std::vector<std::int32_t>> banned_ids = nullptr;
};

enum class FinishReason : std::uint8_t { kStop, kLength };

struct TokenEvent {
  std::int64_t sequence = 0;
  absl::StatusOr<SampledToken> token;  // an error (a broken model's logits) ends the sequence
  std::optional<FinishReason> finish;  // set with the last token
  // With a sequence's first event: prompt tokens that were in the prefix cache. Else 0.
  std::int64_t cached_prompt_tokens = 0;
};

}  // namespace sextant
