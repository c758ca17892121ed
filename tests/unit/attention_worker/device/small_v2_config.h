// A small model of DeepSeek-V2's family, for plans of a GPU's memory.
#pragma once

#include "common/config/model_config.h"
#include "tests/support/v2_lite.h"

namespace sextant {

// Nothing about it is round: a vocabulary of 2045, three layers, queries of low rank.
inline ModelConfig SmallV2Config() {
  ModelConfig config = V2LiteConfig();
  config.hidden_size = 72;
  config.num_hidden_layers = 3;
  config.num_attention_heads = 2;
  config.vocab_size = 2045;
  config.intermediate_size = 200;
  config.q_lora_rank = 24;
  config.n_routed_experts = 10;
  config.num_experts_per_tok = 3;
  config.moe_intermediate_size = 40;
  return config;
}

}  // namespace sextant
