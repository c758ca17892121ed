// Chooses the next token of each row of logits.
//
// Shapes:    R rows, V vocabulary; row-major.
// Order:     logit_bias, repetition, frequency, presence (vLLM's order), then temperature, min_p,
//            top_k, top_p, each over what the one before has left. Equal logits: the lower id is
//            the heavier, everywhere. The draw is one uniform number u in [0, 1) from
//            Philox4x32-10 keyed by (seed, position); the token is the first one, by ascending id
//            among those kept, at which the running sum of weights exceeds u times their total.
// Numerics:  f32 logits and weights, sums by blocks in f64, in an order that depends on the row
//            alone: neither the batch nor the threads change a bit of a result. Backends agree but
//            where u, or a share of top_p, falls within rounding of a token's edge.
// Logprobs:  log_softmax of the raw logits, before bias, penalties and temperature, over the ids
//            that have a token.
// Ownership: views borrow.
// Threads:   rows are shared out over the stream's pool.
// Errors:    InvalidArgument when shapes disagree or `banned_ids` is not ascending inside [0, V);
//            results untouched. A row's own fault is that row's result: what Validate says,
//            InvalidArgument for a token of its history outside [0, V), Internal for a logit that
//            is not finite, FailedPrecondition when every id is banned.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/device/stream.h"
#include "common/sampling_params/sampling_params.h"
#include "common/tensor/matrix_view.h"

namespace sextant {

struct TokenLogprob {
  std::int32_t id = 0;
  float logprob = 0.0F;
};

struct SampledToken {
  std::int32_t id = 0;
  float logprob = 0.0F;                // set when the params ask for logprobs
  std::vector<TokenLogprob> heaviest;  // params.logprobs of them (fewer ids: fewer), heaviest first
};

struct SampleRow {
  const SamplingParams* params = nullptr;
  absl::Span<const std::int32_t> prompt = {};  // read when repetition_penalty is set
  absl::Span<const std::int32_t> output = {};  // read when any penalty is set
  std::uint64_t position = 0;                  // the sampled token's place in its sequence
};

struct SampleArgs {
  MatrixView<const float> logits;                  // [R, V]
  absl::Span<const SampleRow> rows;                // [R]
  absl::Span<const std::int32_t> banned_ids = {};  // ids without a token, ascending: never sampled
  absl::Span<absl::StatusOr<SampledToken>> results;  // [R] out
};
[[nodiscard]] absl::Status Sample(Stream& stream, const SampleArgs& args);

}  // namespace sextant
