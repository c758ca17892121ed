// A small valid config.json to start from, changed by the tests key by key.
#pragma once

#include "nlohmann/json.hpp"

namespace sextant {

inline nlohmann::json SmallConfig() {
  return nlohmann::json::parse(R"({
    "model_type": "deepseek_v2", "torch_dtype": "bfloat16",
    "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 3,
    "num_attention_heads": 2, "num_key_value_heads": 2,
    "q_lora_rank": null, "kv_lora_rank": 16,
    "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 8,
    "intermediate_size": 24, "first_k_dense_replace": 1, "moe_layer_freq": 1,
    "moe_intermediate_size": 12, "n_routed_experts": 8, "n_shared_experts": 2,
    "num_experts_per_tok": 3, "topk_method": "greedy", "n_group": 1, "topk_group": 1,
    "norm_topk_prob": false, "routed_scaling_factor": 1.0, "scoring_func": "softmax",
    "hidden_act": "silu", "attention_bias": false,
    "rms_norm_eps": 1e-6, "rope_theta": 10000,
    "rope_scaling": {"type": "yarn", "factor": 40, "beta_fast": 32, "beta_slow": 1,
                     "mscale": 0.707, "mscale_all_dim": 0.707,
                     "original_max_position_embeddings": 4096},
    "max_position_embeddings": 163840, "tie_word_embeddings": false,
    "bos_token_id": 48, "eos_token_id": 49
  })");
}

}  // namespace sextant
