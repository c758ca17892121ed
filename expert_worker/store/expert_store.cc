#include "expert_worker/store/expert_store.h"

#include <numeric>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant {

absl::StatusOr<ExpertStore> ExpertStore::Load(const ModelConfig& config,
                                              absl::Span<const std::int32_t> experts,
                                              WeightLoader& loader) {
  const std::int64_t hidden = config.hidden_size;
  const std::int64_t width = config.moe_intermediate_size;
  ExpertStore store;
  store.layers_.resize(static_cast<std::size_t>(config.num_hidden_layers));
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
    if (!config.IsMoeLayer(layer)) continue;
    std::vector<FeedForwardWeights>& held = store.layers_[static_cast<std::size_t>(layer)];
    held.resize(static_cast<std::size_t>(config.n_routed_experts));
    for (std::int32_t expert : experts) {
      if (expert < 0 || expert >= config.n_routed_experts) {
        return absl::InvalidArgumentError(
            absl::StrCat("expert ", expert, " is outside [0, ", config.n_routed_experts, ")"));
      }
      FeedForwardWeights& weights = held[static_cast<std::size_t>(expert)];
      if (weights.gate.data != nullptr) {
        return absl::InvalidArgumentError(absl::StrCat("expert ", expert, " is listed twice"));
      }
      const std::string prefix = absl::StrCat("model.layers.", layer, ".mlp.experts.", expert, ".");
      ASSIGN_OR_RETURN(weights.gate, loader.Matrix(prefix + "gate_proj.weight", width, hidden));
      ASSIGN_OR_RETURN(weights.up, loader.Matrix(prefix + "up_proj.weight", width, hidden));
      ASSIGN_OR_RETURN(weights.down, loader.Matrix(prefix + "down_proj.weight", hidden, width));
    }
  }
  return store;
}

const FeedForwardWeights* ExpertStore::Find(int layer, std::int32_t expert) const {
  if (layer < 0 || static_cast<std::size_t>(layer) >= layers_.size()) return nullptr;
  const std::vector<FeedForwardWeights>& held = layers_[static_cast<std::size_t>(layer)];
  if (expert < 0 || static_cast<std::size_t>(expert) >= held.size()) return nullptr;
  const FeedForwardWeights& weights = held[static_cast<std::size_t>(expert)];
  return weights.gate.data == nullptr ? nullptr : &weights;
}

std::vector<std::int32_t> AllExperts(const ModelConfig& config) {
  std::vector<std::int32_t> experts(static_cast<std::size_t>(config.n_routed_experts));
  std::iota(experts.begin(), experts.end(), 0);
  return experts;
}

}  // namespace sextant
