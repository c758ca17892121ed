// Every buffer of a step on a GPU: where each lies in one stretch of memory, laid out once at the
// start for the largest step.
//
// Shapes:    T rows of a step, in at most B slices, and as many decode rows in one pass of
//            attention; L rows whose logits are wanted. H hidden, N heads, R latent rank, v width
//            of a head's values, E routed experts, K chosen ones, V vocabulary, V8 = V rounded up
//            to a multiple of 8.
// Order:     the same arguments give the same places, so that the host's copy of StepInputs has
//            the device's offsets.
#pragma once

#include <cstdint>

#include "common/config/model_config.h"
#include "common/device/arena_carver.h"
#include "common/tensor/float_types.h"
#include "kernels/mla/mla_decode_cuda.h"
#include "kernels/sampling/sample_cuda.h"

namespace sextant {

// Keys whose K and V a prompt's attention expands at a time: 32 MiB for 16 heads, which the cache
// of a GPU holds (40 MB on sm_80, 50 MB on sm_90) while all tiles of rows read them.
inline constexpr std::int64_t kMostSpanKeys = 4096;

// Splits that the decode rows of a step may have together even where they share their contexts:
// 129 MiB of partial results for 16 heads.
inline constexpr std::int64_t kSharedSplits = 4096;

struct StepSizes {
  std::int64_t rows = 0;         // T
  std::int64_t decode_rows = 0;  // B
  std::int64_t logit_rows = 0;   // L
  std::int64_t max_blocks = 0;   // of one sequence
  std::int64_t span_keys = 0;    // of MlaPrefillCuda, a multiple of 64
  bool many_spans = false;       // whether a context can be longer than span_keys
  std::int64_t max_splits = 0;   // of MlaDecodeCuda
};

struct StepLimits {
  std::int64_t max_batch_tokens = 0;  // rows of a step
  std::int64_t max_sequences = 0;     // running at once, each with one slice of a step
  std::int64_t block_tokens = 0;      // positions of a cache block
  std::int64_t cache_tokens = 0;      // positions of the whole cache, or more
};

// What the largest step takes.
//
// max_splits: a row of n positions has n / 512 splits, rounded up, and n is at most the model's
// context and the cache. Rows of different sequences that share no block have those of the whole
// cache and one more each. Rows that share blocks (a common prefix; a replay, whose rows are of one
// sequence) may have B times the longest row's, which is beyond any memory, so that there is room
// for kSharedSplits or for the former, whichever is more, and for B times the longest where that is
// less. One row always fits; attention takes the rows of a step with more splits, or with more than
// B decode rows, in several passes.
[[nodiscard]] StepSizes LargestStep(const ModelConfig& config, const StepLimits& limits);

// What a step is told by the host, in one copy. The last member is the longest; a step that has
// fewer tables copies up to the end of its last.
struct StepInputs {
  std::int32_t* live_rows;  // one value: how many rows there are
  // [2] 0 and all rows, or those whose logits are wanted: what GroupedFeedForwardCuda takes for one
  // expert that has them all.
  std::int32_t* feed_forward_offsets;
  std::int32_t* logit_feed_forward_offsets;
  std::int32_t* token_ids;     // [T]
  std::int32_t* positions;     // [T]
  std::int64_t* slots;         // [T] of the cache; negative: not written
  std::int32_t* lengths;       // [T] positions that each row sees; of decode rows alone
  std::int32_t* logit_rows;    // [L] rows of the step
  std::int32_t* block_tables;  // [B, max_blocks] of each slice
};

// Carves StepInputs out of the device's memory or out of a pinned copy of the host's.
[[nodiscard]] StepInputs CarveStepInputs(const StepSizes& sizes, ArenaCarver& carver);

struct StepActivations {
  Bf16* h;                   // [T, H] residual stream
  Bf16* x;                   // [T, H] normed
  Bf16* delta;               // [T, H] what is next added to h; output of dense and shared MLPs
  Bf16* q_a;                 // [T, q_lora_rank]; null without
  Bf16* q;                   // [T, N * (nope + rope)]
  Bf16* kva;                 // [T, R + rope]
  Bf16* heads;               // [T, N * v]
  float* gate_logits;        // [T, E]
  float* expert_weights;     // [T, K]
  std::int32_t* expert_ids;  // [T, K]
  Bf16* gated;               // [T, width] of the dense MLP or the shared experts, the wider one
  Bf16* logits;              // [L, V8]
};

struct StepAttention {
  Bf16* latent_q;        // [B, N, R]
  Bf16* u;               // [B, N, 2 R]
  DecodePlan plan;       // offsets [B + 1], rows [max_splits]
  float* partial;        // [max_splits, N, R]
  float* partial_state;  // [max_splits, N, 2]
  Bf16* expanded;        // [span_keys, N * (nope + v)]
  float* prefill_state;  // [T, N, v + 2]; null where no context has a second span
};

// What a choice of tokens is told by the host, in one copy, up to the end of the history.
struct SampleInputs {
  std::uint32_t* banned;  // [V / 32 rounded up] bits of ids that are never sampled
  SampleRowCuda* rows;    // [L]
  std::byte* history;     // [SampleHistoryBytes] tokens and biases that rows point to
};

// Of all rows of one launch: room for the longest sequence and as many biases as a request may
// have, and for a few thousand tokens of others.
[[nodiscard]] std::int64_t SampleHistoryBytes(const ModelConfig& config);

// Carves SampleInputs out of the device's memory or out of a pinned copy of the host's.
[[nodiscard]] SampleInputs CarveSampleInputs(const ModelConfig& config, const StepSizes& sizes,
                                             ArenaCarver& carver);

struct StepSampling {
  SampleInputs inputs;
  float* adjusted;            // [L, V8]
  std::uint32_t* counts;      // [L, V8]
  SampledTokenCuda* results;  // [L]
};

struct StepLayout {
  StepInputs inputs;  // first, so that it begins where the memory does
  StepActivations activations;
  StepAttention attention;
  StepSampling sampling;
  std::int64_t padded_vocab = 0;  // V8

  // Of which these many bytes.
  std::int64_t input_bytes = 0;
  std::int64_t activation_bytes = 0;
  std::int64_t attention_bytes = 0;
  std::int64_t sampling_bytes = 0;

  [[nodiscard]] std::int64_t bytes() const {
    return input_bytes + activation_bytes + attention_bytes + sampling_bytes;
  }
};

// The layout in `memory`, aligned to 256 bytes; null: its sizes alone.
[[nodiscard]] StepLayout LayOutStep(const ModelConfig& config, const StepSizes& sizes,
                                    std::byte* memory);

}  // namespace sextant
