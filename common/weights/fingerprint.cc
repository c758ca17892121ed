#include "common/weights/fingerprint.h"

#include <bit>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/weights/model_tensors.h"

namespace sextant {
namespace {

// FNV-1a over 64 bits (http://www.isthe.com/chongo/tech/comp/fnv), of texts and numbers that each
// bring their own end, so that neighbours cannot run into each other.
class Hash {
 public:
  void Add(const std::string& text) {
    for (const char c : text) AddByte(static_cast<unsigned char>(c));
    Add(static_cast<std::int64_t>(text.size()));
  }
  void Add(std::int64_t number) {
    for (int shift = 0; shift < 64; shift += 8) {
      AddByte(static_cast<unsigned char>(static_cast<std::uint64_t>(number) >> shift));
    }
  }
  void Add(double number) { Add(std::bit_cast<std::int64_t>(number)); }

  [[nodiscard]] std::string Digits() const {
    return absl::StrCat(absl::Hex(value_, absl::kZeroPad16));
  }

 private:
  void AddByte(unsigned char byte) { value_ = (value_ ^ byte) * 0x100000001b3U; }

  std::uint64_t value_ = 0xcbf29ce484222325U;
};

void AddShape(const ModelConfig& config, Hash& hash) {
  for (const std::int64_t number : {config.hidden_size,
                                    config.num_hidden_layers,
                                    config.num_attention_heads,
                                    config.vocab_size,
                                    config.intermediate_size,
                                    config.kv_lora_rank,
                                    config.q_lora_rank.value_or(0),
                                    config.qk_nope_head_dim,
                                    config.qk_rope_head_dim,
                                    config.v_head_dim,
                                    config.n_routed_experts,
                                    config.n_shared_experts,
                                    config.num_experts_per_tok,
                                    config.moe_intermediate_size,
                                    config.first_k_dense_replace,
                                    config.moe_layer_freq,
                                    static_cast<std::int64_t>(config.topk_method),
                                    config.n_group,
                                    config.topk_group,
                                    std::int64_t{config.norm_topk_prob},
                                    std::int64_t{config.tie_word_embeddings}}) {
    hash.Add(number);
  }
}

void AddConstants(const ModelConfig& config, Hash& hash) {
  hash.Add(config.routed_scaling_factor);
  hash.Add(config.rms_norm_eps);
  hash.Add(config.rope_theta);
  hash.Add(std::int64_t{config.rope_scaling.has_value()});
  if (!config.rope_scaling.has_value()) return;
  const YarnScaling& yarn = *config.rope_scaling;
  for (const double number :
       {yarn.factor, yarn.beta_fast, yarn.beta_slow, yarn.mscale, yarn.mscale_all_dim}) {
    hash.Add(number);
  }
  hash.Add(yarn.original_max_position_embeddings);
}

}  // namespace

absl::StatusOr<std::string> Fingerprint(const ModelConfig& config, const Checkpoint& checkpoint) {
  Hash hash;
  AddShape(config, hash);
  AddConstants(config, hash);
  for (const ModelTensor& tensor : ListModelTensors(config)) {
    ASSIGN_OR_RETURN(const TensorView view, checkpoint.Find(tensor.name, tensor.shape));
    hash.Add(tensor.name);
    hash.Add(std::string(Name(view.dtype)));
    for (const std::int64_t extent : view.shape) hash.Add(extent);
  }
  return hash.Digits();
}

}  // namespace sextant
