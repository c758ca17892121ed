#include "common/weights/model_tensors.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant {
namespace {

class TensorList {
 public:
  explicit TensorList(const ModelConfig& config) : config_(config) {}

  void AddAttention(const std::string& prefix) {
    const std::int64_t hidden = config_.hidden_size;
    const std::int64_t heads = config_.num_attention_heads;
    const std::int64_t query_rows = heads * config_.qk_head_dim();
    if (config_.q_lora_rank) {
      AddMatrix(prefix + "q_a_proj", *config_.q_lora_rank, hidden);
      AddNorm(prefix + "q_a_layernorm", *config_.q_lora_rank);
      AddMatrix(prefix + "q_b_proj", query_rows, *config_.q_lora_rank);
    } else {
      AddMatrix(prefix + "q_proj", query_rows, hidden);
    }
    AddMatrix(prefix + "kv_a_proj_with_mqa", config_.cache_row_dim(), hidden);
    AddNorm(prefix + "kv_a_layernorm", config_.kv_lora_rank);
    AddMatrix(prefix + "kv_b_proj", heads * (config_.qk_nope_head_dim + config_.v_head_dim),
              config_.kv_lora_rank);
    AddMatrix(prefix + "o_proj", hidden, heads * config_.v_head_dim, TensorRole::kResidual);
  }

  void AddMlp(const std::string& prefix, std::int64_t intermediate) {
    AddMatrix(prefix + "gate_proj", intermediate, config_.hidden_size);
    AddMatrix(prefix + "up_proj", intermediate, config_.hidden_size);
    AddMatrix(prefix + "down_proj", config_.hidden_size, intermediate, TensorRole::kResidual);
  }

  void AddExperts(const std::string& prefix) {
    AddMatrix(prefix + "gate", config_.n_routed_experts, config_.hidden_size, TensorRole::kRouter);
    if (config_.n_shared_experts > 0) {
      AddMlp(prefix + "shared_experts.", config_.shared_intermediate_size());
    }
    for (std::int64_t expert = 0; expert < config_.n_routed_experts; ++expert) {
      AddMlp(absl::StrCat(prefix, "experts.", expert, "."), config_.moe_intermediate_size);
    }
  }

  void AddLayer(std::int64_t layer) {
    const std::string prefix = absl::StrCat("model.layers.", layer, ".");
    AddNorm(prefix + "input_layernorm", config_.hidden_size);
    AddAttention(prefix + "self_attn.");
    AddNorm(prefix + "post_attention_layernorm", config_.hidden_size);
    if (config_.IsMoeLayer(layer)) {
      AddExperts(prefix + "mlp.");
    } else {
      AddMlp(prefix + "mlp.", config_.intermediate_size);
    }
  }

  void AddNorm(const std::string& name, std::int64_t width) {
    tensors_.push_back({name + ".weight", {width}, TensorRole::kNorm});
  }

  void AddMatrix(const std::string& name, std::int64_t rows, std::int64_t cols,
                 TensorRole role = TensorRole::kProjection) {
    tensors_.push_back({name + ".weight", {rows, cols}, role});
  }

  std::vector<ModelTensor> Take() { return std::move(tensors_); }

 private:
  const ModelConfig& config_;
  std::vector<ModelTensor> tensors_;
};

}  // namespace

std::vector<ModelTensor> ListModelTensors(const ModelConfig& config) {
  TensorList list(config);
  list.AddMatrix("model.embed_tokens", config.vocab_size, config.hidden_size,
                 TensorRole::kEmbedding);
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) list.AddLayer(layer);
  list.AddNorm("model.norm", config.hidden_size);
  if (!config.tie_word_embeddings) {
    list.AddMatrix("lm_head", config.vocab_size, config.hidden_size, TensorRole::kHead);
  }
  return list.Take();
}

absl::Status CheckModelTensors(const Checkpoint& checkpoint, const ModelConfig& config) {
  absl::flat_hash_set<std::string> wanted = {"lm_head.weight"};  // some tied models keep one
  for (const ModelTensor& tensor : ListModelTensors(config)) {
    RETURN_IF_ERROR(checkpoint.Find(tensor.name, tensor.shape).status());
    wanted.insert(tensor.name);
  }
  for (const std::string& name : checkpoint.Names()) {
    if (wanted.contains(name) || absl::EndsWith(name, ".rotary_emb.inv_freq")) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        checkpoint.dir(), ": the weights hold tensor \"", absl::Utf8SafeCEscape(name),
        "\", which config.json has no place for; do the weights and the config belong together?"));
  }
  return absl::OkStatus();
}

}  // namespace sextant
