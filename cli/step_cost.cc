#include "cli/step_cost.h"

#include <algorithm>

namespace sextant::cli {
namespace {

// Sizes of the matrices of a layer, in values.
struct LayerSizes {
  explicit LayerSizes(const ModelConfig& config) {
    const auto hidden = static_cast<double>(config.hidden_size);
    const auto heads = static_cast<double>(config.num_attention_heads);
    const double q_width = heads * static_cast<double>(config.qk_head_dim());
    const auto low_rank = static_cast<double>(config.q_lora_rank.value_or(0));
    const auto rank = static_cast<double>(config.kv_lora_rank);
    query = config.q_lora_rank ? low_rank * (hidden + q_width) : hidden * q_width;
    kv_a = hidden * static_cast<double>(config.cache_row_dim());
    kv_b = rank * heads * static_cast<double>(config.qk_nope_head_dim + config.v_head_dim);
    output = heads * static_cast<double>(config.v_head_dim) * hidden;
    gate = hidden * static_cast<double>(config.n_routed_experts);
    dense = 3 * hidden * static_cast<double>(config.intermediate_size);
    shared = 3 * hidden * static_cast<double>(config.shared_intermediate_size());
    expert = 3 * hidden * static_cast<double>(config.moe_intermediate_size);
    norms = 2 * hidden + rank + low_rank;
  }

  double query, kv_a, kv_b, output, gate, dense, shared, expert, norms;
};

// Keys seen by the last `rows` of a prompt of `length`.
double CausalPairs(std::int64_t length, std::int64_t rows) {
  return 0.5 * static_cast<double>(rows) * static_cast<double>(2 * length - rows + 1);
}

}  // namespace

StepCost CostOfStep(const ModelConfig& config, const StepRows& rows,
                    const std::vector<ExpertLoad>& loads, std::int64_t value_bytes) {
  const LayerSizes sizes(config);
  const auto all_rows = static_cast<double>(rows.prompt + rows.decode);
  const auto logits = static_cast<double>(rows.logits);
  const auto heads = static_cast<double>(config.num_attention_heads);
  const auto expanded_width = static_cast<double>(config.qk_head_dim() + config.v_head_dim);
  const auto latent_width = static_cast<double>(config.cache_row_dim() + config.kv_lora_rank);
  const double decode_pairs = static_cast<double>(rows.decode) * static_cast<double>(rows.context);

  StepCost step;
  const auto add_cost = [&step](const OperatorCost& cost) {
    step.operators.push_back(cost);
    step.flops += cost.flops;
    step.bytes += cost.bytes;
  };
  std::int64_t layer = 0;
  const auto add = [&](Part part, double multiply_adds, double weights, double latents = 0) {
    const auto bytes_each = static_cast<double>(value_bytes);
    add_cost({.flops = 2 * multiply_adds,
              .bytes = (weights + latents) * bytes_each,
              .cache_bytes = latents * bytes_each,
              .part = part,
              .layer = layer});
  };
  auto load = loads.begin();
  for (; layer < config.num_hidden_layers; ++layer) {
    const bool last = layer + 1 == config.num_hidden_layers;
    const double active = last ? logits : all_rows;
    const std::int64_t active_prompt = last ? std::min(rows.prompt, rows.logits) : rows.prompt;
    add(Part::kAttention, active * sizes.query + all_rows * sizes.kv_a,
        sizes.query + sizes.kv_a + sizes.norms);
    // Prompts expand each latent once; generated rows absorb kv_b into the query and the output.
    add(Part::kAttention,
        all_rows * sizes.kv_b + CausalPairs(rows.prompt, active_prompt) * heads * expanded_width +
            decode_pairs * heads * latent_width,
        sizes.kv_b,
        (static_cast<double>(rows.prompt) + decode_pairs) *
            static_cast<double>(config.cache_row_dim()));
    add(Part::kAttention, active * sizes.output, sizes.output);
    if (!config.IsMoeLayer(layer)) {
      add(Part::kDense, active * sizes.dense, sizes.dense);
      continue;
    }
    add(Part::kGate, active * sizes.gate, sizes.gate);
    add(Part::kShared, active * sizes.shared, sizes.shared);
    if (load != loads.end()) {
      add_cost(CostOfExperts(config, layer, *load, value_bytes));
      ++load;
    }
  }
  const auto hidden = static_cast<double>(config.hidden_size);
  const auto vocab = static_cast<double>(config.vocab_size);
  // And embeddings, the last norm.
  add(Part::kHead, logits * vocab * hidden, (vocab + all_rows + 1) * hidden);
  return step;
}

OperatorCost CostOfExperts(const ModelConfig& config, std::int64_t layer, const ExpertLoad& load,
                           std::int64_t value_bytes) {
  const double values = LayerSizes(config).expert;
  return {.flops = 2 * load.rows * values,
          .bytes = load.experts * values * static_cast<double>(value_bytes),
          .part = Part::kRouted,
          .layer = layer};
}

double FloorSeconds(const StepCost& cost, double read_bytes_per_s, double product_flops_per_s) {
  double seconds = 0;
  for (const OperatorCost& of : cost.operators) {
    seconds += std::max(of.bytes / read_bytes_per_s, of.flops / product_flops_per_s);
  }
  return seconds;
}

// Whole numbers below 2^53 are exact in the doubles that these are summed in.
std::int64_t AttentionHalfParameterCount(const ModelConfig& config) {
  const LayerSizes sizes(config);
  const auto hidden = static_cast<double>(config.hidden_size);
  double total = hidden;  // the final norm
  total += (config.tie_word_embeddings ? 1 : 2) * static_cast<double>(config.vocab_size) * hidden;
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    total += sizes.query + sizes.kv_a + sizes.kv_b + sizes.output + sizes.norms;
    total += config.IsMoeLayer(layer) ? sizes.gate + sizes.shared : sizes.dense;
  }
  return static_cast<std::int64_t>(total);
}

std::int64_t ExpertParameterCount(const ModelConfig& config) {
  std::int64_t layers = 0;
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    layers += config.IsMoeLayer(layer) ? 1 : 0;
  }
  return layers * static_cast<std::int64_t>(LayerSizes(config).expert);
}

std::int64_t ParameterCount(const ModelConfig& config) {
  return AttentionHalfParameterCount(config) +
         config.n_routed_experts * ExpertParameterCount(config);
}

}  // namespace sextant::cli
