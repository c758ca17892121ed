// DeepSeek-V2-Lite as published, and a small model of its family, for plans of a GPU's memory.
#pragma once

#include "common/config/model_config.h"

namespace sextant {

inline ModelConfig V2LiteConfig() {
  ModelConfig config;
  config.hidden_size = 2048;
  config.num_hidden_layers = 27;
  config.num_attention_heads = 16;
  config.vocab_size = 102400;
  config.intermediate_size = 10944;
  config.max_position_embeddings = 163840;
  config.kv_lora_rank = 512;
  config.qk_nope_head_dim = 128;
  config.qk_rope_head_dim = 64;
  config.v_head_dim = 128;
  config.n_routed_experts = 64;
  config.n_shared_experts = 2;
  config.num_experts_per_tok = 6;
  config.moe_intermediate_size = 1408;
  config.first_k_dense_replace = 1;
  return config;
}

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
