#include "cli/step_cost.h"

#include <algorithm>

namespace sextant::cli {
namespace {

// Sizes of the matrices of a layer, in values.
struct LayerSizes {
  explicit LayerSizes(const ModelConfig& config) {
    const std::int64_t hidden = config.hidden_size;
    const std::int64_t q_width = config.num_attention_heads * config.qk_head_dim();
    query = config.q_lora_rank ? *config.q_lora_rank * (hidden + q_width) : hidden * q_width;
    kv_a = hidden * config.cache_row_dim();
    kv_b = config.kv_lora_rank * config.num_attention_heads *
           (config.qk_nope_head_dim + config.v_head_dim);
    output = config.num_attention_heads * config.v_head_dim * hidden;
    gate = hidden * config.n_routed_experts;
    dense = 3 * hidden * config.intermediate_size;
    shared = 3 * hidden * config.shared_intermediate_size();
    expert = 3 * hidden * config.moe_intermediate_size;
    norms = 2 * hidden + config.kv_lora_rank + config.q_lora_rank.value_or(0);
  }

  std::int64_t query, kv_a, kv_b, output, gate, dense, shared, expert, norms;
};

// Keys seen by the last `rows` of a prompt of `length`.
double CausalPairs(std::int64_t length, std::int64_t rows) {
  return 0.5 * static_cast<double>(rows) * static_cast<double>(2 * length - rows + 1);
}

}  // namespace

StepCost CostOfStep(const ModelConfig& config, const StepRows& rows, const ExpertLoad& load,
                    std::int64_t value_bytes) {
  const LayerSizes sizes(config);
  const std::int64_t all_rows = rows.prompt + rows.decode;
  const auto heads = static_cast<double>(config.num_attention_heads);
  const auto expanded_width = static_cast<double>(config.qk_head_dim() + config.v_head_dim);
  const auto latent_width = static_cast<double>(config.cache_row_dim() + config.kv_lora_rank);
  const double decode_pairs = static_cast<double>(rows.decode) * static_cast<double>(rows.context);

  double multiply_adds = static_cast<double>(load.rows * sizes.expert) +
                         static_cast<double>(rows.logits * config.vocab_size * config.hidden_size);
  double values = static_cast<double>(load.experts * sizes.expert) +
                  static_cast<double>((config.vocab_size + all_rows + 1) * config.hidden_size);
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const bool last = layer + 1 == config.num_hidden_layers;
    const bool moe = config.IsMoeLayer(layer);
    const std::int64_t active = last ? rows.logits : all_rows;
    const std::int64_t active_prompt = last ? std::min(rows.prompt, rows.logits) : rows.prompt;
    const std::int64_t mlp = moe ? sizes.gate + sizes.shared : sizes.dense;
    multiply_adds += static_cast<double>(active * (sizes.query + sizes.output + mlp));
    multiply_adds += static_cast<double>(all_rows * sizes.kv_a);
    // Prompts expand each latent once; generated rows absorb kv_b into the query and the output.
    multiply_adds += static_cast<double>(all_rows * sizes.kv_b);
    multiply_adds += CausalPairs(rows.prompt, active_prompt) * heads * expanded_width;
    multiply_adds += decode_pairs * heads * latent_width;
    values += static_cast<double>(sizes.query + sizes.kv_a + sizes.kv_b + sizes.output + mlp +
                                  sizes.norms);
    values += (static_cast<double>(rows.prompt) + decode_pairs) *
              static_cast<double>(config.cache_row_dim());
  }
  return {.flops = 2 * multiply_adds, .bytes = values * static_cast<double>(value_bytes)};
}

std::int64_t ParameterCount(const ModelConfig& config) {
  const LayerSizes sizes(config);
  std::int64_t total = config.hidden_size;  // the final norm
  total += (config.tie_word_embeddings ? 1 : 2) * config.vocab_size * config.hidden_size;
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    total += sizes.query + sizes.kv_a + sizes.kv_b + sizes.output + sizes.norms;
    total += config.IsMoeLayer(layer)
                 ? sizes.gate + sizes.shared + config.n_routed_experts * sizes.expert
                 : sizes.dense;
  }
  return total;
}

}  // namespace sextant::cli
