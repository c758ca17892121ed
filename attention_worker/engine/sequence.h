// One sequence of an engine: what was asked for, and how far it has come.
//
// Its known tokens are the prompt and what has been generated; `computed` counts those whose
// latents are in its blocks. The token after the known ones is sampled once all of them are
// computed, so that a sequence that starts, goes on, or begins again after it was preempted is the
// same thing: known tokens that wait to be computed, the prompt's by the prefill path and the
// others by the decode path.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "attention_worker/cache/latent_cache.h"
#include "attention_worker/engine/generation_request.h"

namespace sextant {

struct Sequence {
  Sequence(std::int64_t id_in, GenerationRequest request_in, LatentCache& cache)
      : id(id_in),
        request(std::move(request_in)),
        generated(std::exchange(request.generated_ids, {})),
        blocks(cache),
        computed_before(generated.empty() ? 0 : length()) {}

  [[nodiscard]] std::int64_t prompt_length() const {
    return static_cast<std::int64_t>(request.prompt_ids.size());
  }
  [[nodiscard]] std::int64_t length() const {  // known tokens
    return prompt_length() + static_cast<std::int64_t>(generated.size());
  }
  // Whether one generated token is all that is to be computed: the common case of a decode row.
  [[nodiscard]] bool decoding() const {
    return computed >= prompt_length() && computed + 1 == length();
  }
  // The next tokens to compute, at most `rows` and of one path.
  [[nodiscard]] absl::Span<const std::int32_t> Next(std::int64_t rows) const;

  // Whether the next token is the last one, whichever it is.
  [[nodiscard]] bool EndsWithNext() const {
    return static_cast<std::int64_t>(generated.size()) + 1 == request.max_tokens;
  }
  // Whether the token that was generated last is the last one.
  [[nodiscard]] std::optional<FinishReason> Finish() const;

  std::int64_t id;
  GenerationRequest request;  // without generated_ids
  std::vector<std::int32_t> generated;
  SequenceBlocks blocks;
  std::int64_t computed = 0;              // below length() between steps
  std::int64_t computed_before = 0;       // positions computed once already, here or elsewhere
  std::int64_t cached_prompt_tokens = 0;  // taken from the prefix cache when it was admitted
  bool reported = false;                  // an event has gone out
  bool finished = false;
};

// Whether `a` is served before `b`, and preempted after it: a higher priority, then who came first.
[[nodiscard]] inline bool RanksBefore(const Sequence& a, const Sequence& b) {
  return a.request.priority != b.request.priority ? a.request.priority > b.request.priority
                                                  : a.id < b.id;
}

}  // namespace sextant
