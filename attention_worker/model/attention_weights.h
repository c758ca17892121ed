// The weights of the attention half: everything but the routed experts.
//
// Shapes:    every matrix is [outputs, inputs] as in the checkpoint (MODEL.md's names).
// Ownership: views borrow from the loader, which outlives them.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "common/config/model_config.h"
#include "common/tensor/matrix_view.h"
#include "common/weights/weight_loader.h"
#include "kernels/feed_forward/grouped_feed_forward.h"

namespace sextant {

// Queries through a low-rank bottleneck (DeepSeek-V2 236B).
struct LowRankQuery {
  WeightView q_a_proj;       // [q_lora_rank, H]
  WeightView q_a_layernorm;  // [1, q_lora_rank]
  WeightView q_b_proj;       // [N * (nope + rope), q_lora_rank]
};

struct AttentionLayerWeights {
  WeightView input_layernorm;  // [1, H]
  WeightView q_proj;           // [N * (nope + rope), H]; no data with low_rank_query
  std::optional<LowRankQuery> low_rank_query;
  WeightView kv_a_proj;                 // [R + rope, H]
  WeightView kv_a_layernorm;            // [1, R]
  WeightView kv_b_proj;                 // [N * (nope + v), R]
  WeightView o_proj;                    // [H, N * v]
  WeightView post_attention_layernorm;  // [1, H]
  WeightView gate;                      // [E, H]; no data in a dense layer
  // The dense MLP, or the shared experts as one; no data where a MoE layer has none.
  FeedForwardWeights mlp;

  [[nodiscard]] bool is_moe() const { return gate.data != nullptr; }
  [[nodiscard]] bool has_mlp() const { return mlp.gate.data != nullptr; }
};

struct AttentionWeights {
  WeightView embed_tokens;  // [V, H]
  WeightView norm;          // [1, H]
  WeightView lm_head;       // [V, H]; the embedding where they are tied
  std::vector<AttentionLayerWeights> layers;

  // Errors: those of the loader, naming the tensor.
  [[nodiscard]] static absl::StatusOr<AttentionWeights> Load(const ModelConfig& config,
                                                             WeightLoader& loader);
};

}  // namespace sextant
