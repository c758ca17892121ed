#include "attention_worker/model/attention_weights.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant {
namespace {

absl::StatusOr<FeedForwardWeights> LoadFeedForward(const std::string& prefix, std::int64_t hidden,
                                                   std::int64_t width, WeightLoader& loader) {
  FeedForwardWeights weights;
  ASSIGN_OR_RETURN(weights.gate, loader.Matrix(prefix + "gate_proj.weight", width, hidden));
  ASSIGN_OR_RETURN(weights.up, loader.Matrix(prefix + "up_proj.weight", width, hidden));
  ASSIGN_OR_RETURN(weights.down, loader.Matrix(prefix + "down_proj.weight", hidden, width));
  return weights;
}

absl::Status LoadQuery(const ModelConfig& config, const std::string& prefix, WeightLoader& loader,
                       AttentionLayerWeights& layer) {
  const std::int64_t hidden = config.hidden_size;
  const std::int64_t width = config.num_attention_heads * config.qk_head_dim();
  if (!config.q_lora_rank.has_value()) {
    ASSIGN_OR_RETURN(layer.q_proj, loader.Matrix(prefix + "q_proj.weight", width, hidden));
    return absl::OkStatus();
  }
  const std::int64_t rank = *config.q_lora_rank;
  LowRankQuery query;
  ASSIGN_OR_RETURN(query.q_a_proj, loader.Matrix(prefix + "q_a_proj.weight", rank, hidden));
  ASSIGN_OR_RETURN(query.q_a_layernorm, loader.Vector(prefix + "q_a_layernorm.weight", rank));
  ASSIGN_OR_RETURN(query.q_b_proj, loader.Matrix(prefix + "q_b_proj.weight", width, rank));
  layer.low_rank_query = query;
  return absl::OkStatus();
}

absl::Status LoadAttention(const ModelConfig& config, const std::string& prefix,
                           WeightLoader& loader, AttentionLayerWeights& layer) {
  const std::int64_t hidden = config.hidden_size;
  const std::int64_t heads = config.num_attention_heads;
  RETURN_IF_ERROR(LoadQuery(config, prefix, loader, layer));
  ASSIGN_OR_RETURN(layer.kv_a_proj, loader.Matrix(prefix + "kv_a_proj_with_mqa.weight",
                                                  config.cache_row_dim(), hidden));
  ASSIGN_OR_RETURN(layer.kv_a_layernorm,
                   loader.Vector(prefix + "kv_a_layernorm.weight", config.kv_lora_rank));
  ASSIGN_OR_RETURN(
      layer.kv_b_proj,
      loader.Matrix(prefix + "kv_b_proj.weight",
                    heads * (config.qk_nope_head_dim + config.v_head_dim), config.kv_lora_rank));
  ASSIGN_OR_RETURN(layer.o_proj,
                   loader.Matrix(prefix + "o_proj.weight", hidden, heads * config.v_head_dim));
  return absl::OkStatus();
}

absl::StatusOr<AttentionLayerWeights> LoadLayer(const ModelConfig& config, int index,
                                                WeightLoader& loader) {
  const std::int64_t hidden = config.hidden_size;
  const std::string prefix = absl::StrCat("model.layers.", index, ".");
  AttentionLayerWeights layer;
  ASSIGN_OR_RETURN(layer.input_layernorm, loader.Vector(prefix + "input_layernorm.weight", hidden));
  RETURN_IF_ERROR(LoadAttention(config, prefix + "self_attn.", loader, layer));
  ASSIGN_OR_RETURN(layer.post_attention_layernorm,
                   loader.Vector(prefix + "post_attention_layernorm.weight", hidden));
  if (!config.IsMoeLayer(index)) {
    ASSIGN_OR_RETURN(layer.mlp,
                     LoadFeedForward(prefix + "mlp.", hidden, config.intermediate_size, loader));
    return layer;
  }
  ASSIGN_OR_RETURN(layer.gate,
                   loader.Matrix(prefix + "mlp.gate.weight", config.n_routed_experts, hidden));
  if (config.n_shared_experts > 0) {
    ASSIGN_OR_RETURN(layer.mlp, LoadFeedForward(prefix + "mlp.shared_experts.", hidden,
                                                config.shared_intermediate_size(), loader));
  }
  return layer;
}

}  // namespace

absl::StatusOr<AttentionWeights> AttentionWeights::Load(const ModelConfig& config,
                                                        WeightLoader& loader) {
  const std::int64_t hidden = config.hidden_size;
  AttentionWeights weights;
  ASSIGN_OR_RETURN(weights.embed_tokens,
                   loader.Matrix("model.embed_tokens.weight", config.vocab_size, hidden));
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
    ASSIGN_OR_RETURN(AttentionLayerWeights loaded, LoadLayer(config, layer, loader));
    weights.layers.push_back(loaded);
  }
  ASSIGN_OR_RETURN(weights.norm, loader.Vector("model.norm.weight", hidden));
  if (config.tie_word_embeddings) {
    weights.lm_head = weights.embed_tokens;
  } else {
    ASSIGN_OR_RETURN(weights.lm_head, loader.Matrix("lm_head.weight", config.vocab_size, hidden));
  }
  return weights;
}

}  // namespace sextant
