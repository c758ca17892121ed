// A shape that the tests of cli count by hand.
#pragma once

#include "common/config/model_config.h"

namespace sextant::cli {

// Two layers, the second with experts, every size another number.
inline ModelConfig Small() {
  ModelConfig config;
  config.hidden_size = 10;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 3;
  config.vocab_size = 100;
  config.intermediate_size = 21;
  config.kv_lora_rank = 7;
  config.qk_nope_head_dim = 4;
  config.qk_rope_head_dim = 2;
  config.v_head_dim = 5;
  config.n_routed_experts = 8;
  config.n_shared_experts = 1;
  config.num_experts_per_tok = 2;
  config.moe_intermediate_size = 11;
  config.first_k_dense_replace = 1;
  return config;
}

}  // namespace sextant::cli
