#include "attention_worker/device/step_layout.h"

#include <algorithm>

#include "kernels/cuda/launch.h"
#include "kernels/mla/mla_prefill_cuda.h"

namespace sextant {
namespace {

std::int64_t SplitsOf(std::int64_t length) { return DivideUp(length, kDecodeSplitCuda); }

StepActivations CarveActivations(const ModelConfig& config, const StepSizes& sizes,
                                 std::int64_t padded_vocab, ArenaCarver& carver) {
  const std::int64_t rows = sizes.rows;
  const std::int64_t heads = config.num_attention_heads;
  const std::int64_t chosen = config.num_experts_per_tok;
  const std::int64_t width = std::max(config.intermediate_size, config.shared_intermediate_size());
  return {.h = carver.Take<Bf16>(rows * config.hidden_size),
          .x = carver.Take<Bf16>(rows * config.hidden_size),
          .delta = carver.Take<Bf16>(rows * config.hidden_size),
          .q_a = carver.Take<Bf16>(rows * config.q_lora_rank.value_or(0)),
          .q = carver.Take<Bf16>(rows * heads * config.qk_head_dim()),
          .kva = carver.Take<Bf16>(rows * config.cache_row_dim()),
          .heads = carver.Take<Bf16>(rows * heads * config.v_head_dim),
          .gate_logits = carver.Take<float>(rows * config.n_routed_experts),
          .expert_weights = carver.Take<float>(rows * chosen),
          .expert_ids = carver.Take<std::int32_t>(rows * chosen),
          .gated = carver.Take<Bf16>(rows * width),
          .logits = carver.Take<Bf16>(sizes.logit_rows * padded_vocab)};
}

StepAttention CarveAttention(const ModelConfig& config, const StepSizes& sizes,
                             ArenaCarver& carver) {
  const std::int64_t heads = config.num_attention_heads;
  const std::int64_t rank = config.kv_lora_rank;
  const std::int64_t head_width = config.qk_nope_head_dim + config.v_head_dim;
  StepAttention attention{};
  attention.latent_q = carver.Take<Bf16>(sizes.decode_rows * heads * rank);
  attention.u = carver.Take<Bf16>(sizes.decode_rows * heads * 2 * rank);
  attention.plan = {.offsets = carver.Take<std::int32_t>(sizes.decode_rows + 1),
                    .rows = carver.Take<std::int32_t>(sizes.max_splits),
                    .max_splits = static_cast<std::int32_t>(sizes.max_splits)};
  attention.partial = carver.Take<float>(sizes.max_splits * heads * rank);
  attention.partial_state = carver.Take<float>(sizes.max_splits * heads * 2);
  attention.expanded = carver.Take<Bf16>(sizes.span_keys * heads * head_width);
  attention.prefill_state =
      carver.Take<float>(sizes.many_spans ? sizes.rows * heads * (config.v_head_dim + 2) : 0);
  return attention;
}

}  // namespace

StepSizes LargestStep(const ModelConfig& config, const StepLimits& limits) {
  const std::int64_t longest = std::min(config.max_position_embeddings, limits.cache_tokens);
  const std::int64_t rows = limits.max_batch_tokens;
  const std::int64_t slices = std::min(rows, limits.max_sequences);
  const std::int64_t unshared = SplitsOf(limits.cache_tokens) + slices;
  const std::int64_t span_keys =
      std::min(DivideUp(longest, kPrefillTileKeys) * kPrefillTileKeys, kMostSpanKeys);
  return {.rows = rows,
          .decode_rows = slices,
          .logit_rows = slices,
          .max_blocks = DivideUp(longest, limits.block_tokens),
          .span_keys = span_keys,
          .many_spans = longest > span_keys,
          .max_splits = std::min(slices * SplitsOf(longest), std::max(unshared, kSharedSplits))};
}

StepInputs CarveStepInputs(const StepSizes& sizes, ArenaCarver& carver) {
  return {.live_rows = carver.Take<std::int32_t>(1),
          .feed_forward_offsets = carver.Take<std::int32_t>(2),
          .logit_feed_forward_offsets = carver.Take<std::int32_t>(2),
          .token_ids = carver.Take<std::int32_t>(sizes.rows),
          .positions = carver.Take<std::int32_t>(sizes.rows),
          .slots = carver.Take<std::int64_t>(sizes.rows),
          .lengths = carver.Take<std::int32_t>(sizes.rows),
          .logit_rows = carver.Take<std::int32_t>(sizes.logit_rows),
          .block_tables = carver.Take<std::int32_t>(sizes.decode_rows * sizes.max_blocks)};
}

std::int64_t SampleHistoryBytes(const ModelConfig& config) {
  constexpr std::int64_t kTokensOfOthers = 1 << 18;
  const std::int64_t tokens = config.max_position_embeddings + kTokensOfOthers;
  const std::int64_t biases = config.vocab_size;  // an id is biased once
  return tokens * static_cast<std::int64_t>(sizeof(std::int32_t)) +
         biases * static_cast<std::int64_t>(sizeof(LogitBiasCuda));
}

SampleInputs CarveSampleInputs(const ModelConfig& config, const StepSizes& sizes,
                               ArenaCarver& carver) {
  return {.banned = carver.Take<std::uint32_t>(DivideUp(config.vocab_size, 32)),
          .rows = carver.Take<SampleRowCuda>(sizes.logit_rows),
          .history = carver.Take<std::byte>(SampleHistoryBytes(config))};
}

StepLayout LayOutStep(const ModelConfig& config, const StepSizes& sizes, std::byte* memory) {
  ArenaCarver carver(memory);
  StepLayout layout{};
  std::int64_t before = 0;
  const auto taken = [&carver, &before] {
    const std::int64_t bytes = carver.bytes() - before;
    before = carver.bytes();
    return bytes;
  };
  layout.padded_vocab = DivideUp(config.vocab_size, 8) * 8;
  layout.inputs = CarveStepInputs(sizes, carver);
  layout.input_bytes = taken();
  layout.activations = CarveActivations(config, sizes, layout.padded_vocab, carver);
  layout.activation_bytes = taken();
  layout.attention = CarveAttention(config, sizes, carver);
  layout.attention_bytes = taken();
  const std::int64_t logits = sizes.logit_rows * layout.padded_vocab;
  layout.sampling.inputs = CarveSampleInputs(config, sizes, carver);
  layout.sampling.adjusted = carver.Take<float>(logits);
  layout.sampling.counts = carver.Take<std::uint32_t>(logits);
  layout.sampling.results = carver.Take<SampledTokenCuda>(sizes.logit_rows);
  layout.sampling_bytes = taken();
  return layout;
}

}  // namespace sextant
