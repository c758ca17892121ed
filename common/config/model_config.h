// The model's shape and constants, read from the config.json of a Hugging Face directory.
//
// Every checkpoint of the DeepSeek-V2 family is described by this struct alone; names are those
// of the file. Read spellings: rope_scaling with `type` or `rope_type`, the newer rope_parameters
// with rope_theta inside, torch_dtype or dtype, and topk_method "gready" (an old spelling in
// DeepSeek's own files). Keys that do not change the mathematics are ignored.
//
// Errors: InvalidArgument naming file, key, the value and what is accepted, for a missing key, a
//         value out of range, values that do not fit each other, and for anything that this
//         implementation does not compute (another model_type, biases, quantised weights, ...).
//         After reading, no product of up to three of the sizes overflows 63 bits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/tensor/dtype.h"

namespace sextant {

enum class TopkMethod : std::uint8_t { kGreedy, kGroupLimitedGreedy };

// Defaults are those of the original DeepseekV2YarnRotaryEmbedding.
struct YarnScaling {
  double factor = 1.0;
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  double mscale = 1.0;
  double mscale_all_dim = 0.0;  // 0: the softmax scale gets no factor
  std::int64_t original_max_position_embeddings = 4096;
};

struct ModelConfig {
  std::int64_t hidden_size = 0;
  std::int64_t num_hidden_layers = 0;
  std::int64_t num_attention_heads = 0;
  std::int64_t vocab_size = 0;
  std::int64_t intermediate_size = 0;  // of the dense layers
  std::int64_t max_position_embeddings = 0;

  std::int64_t kv_lora_rank = 0;
  std::optional<std::int64_t> q_lora_rank;  // absent: one q_proj
  std::int64_t qk_nope_head_dim = 0;
  std::int64_t qk_rope_head_dim = 0;  // even
  std::int64_t v_head_dim = 0;

  std::int64_t n_routed_experts = 0;
  std::int64_t n_shared_experts = 0;       // 0: none
  std::int64_t num_experts_per_tok = 0;    // <= the experts that the kept groups hold
  std::int64_t moe_intermediate_size = 0;  // of one expert
  std::int64_t first_k_dense_replace = 0;
  std::int64_t moe_layer_freq = 1;
  TopkMethod topk_method = TopkMethod::kGreedy;
  std::int64_t n_group = 1;     // divides n_routed_experts
  std::int64_t topk_group = 1;  // <= n_group
  bool norm_topk_prob = false;
  double routed_scaling_factor = 1.0;

  double rms_norm_eps = 1e-6;
  double rope_theta = 10000.0;
  std::optional<YarnScaling> rope_scaling;  // absent: plain rotary frequencies

  bool tie_word_embeddings = false;  // lm_head is the embedding
  DType dtype = DType::kBf16;        // what the checkpoint was saved as
  std::optional<std::int64_t> bos_token_id;
  std::vector<std::int64_t> eos_token_ids;  // any of them ends a generation

  // Whether layer `layer` has experts; the others have one dense MLP.
  [[nodiscard]] bool IsMoeLayer(std::int64_t layer) const {
    return layer >= first_k_dense_replace && layer % moe_layer_freq == 0;
  }
  // Width of a query or key of one head in the expanded form: nope then rope.
  [[nodiscard]] std::int64_t qk_head_dim() const { return qk_nope_head_dim + qk_rope_head_dim; }
  // Values the cache holds per token and layer: latent after its norm, then the rotated key.
  [[nodiscard]] std::int64_t cache_row_dim() const { return kv_lora_rank + qk_rope_head_dim; }
  // Width of the one MLP that the shared experts form.
  [[nodiscard]] std::int64_t shared_intermediate_size() const {
    return n_shared_experts * moe_intermediate_size;
  }
};

// Reads DIR/config.json, or the file itself when given a path that is no directory.
[[nodiscard]] absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& dir_or_path);

// The same from text; `source` names it in errors.
[[nodiscard]] absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view text,
                                                           const std::string& source);

}  // namespace sextant
