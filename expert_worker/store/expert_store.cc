#include "expert_worker/store/expert_store.h"

#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/weights/mapped_file.h"

namespace sextant {

absl::StatusOr<std::shared_ptr<const HeldExpert>> HeldExpert::Load(const ModelConfig& config,
                                                                   std::int32_t expert,
                                                                   WeightLoader& loader) {
  if (expert < 0 || expert >= config.n_routed_experts) {
    return absl::InvalidArgumentError(
        absl::StrCat("expert ", expert, " is outside [0, ", config.n_routed_experts, ")"));
  }
  const std::int64_t hidden = config.hidden_size;
  const std::int64_t width = config.moe_intermediate_size;
  auto held = std::make_shared<HeldExpert>();
  held->layers_.resize(static_cast<std::size_t>(config.num_hidden_layers));
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
    if (!config.IsMoeLayer(layer)) continue;
    FeedForwardWeights& weights = held->layers_[static_cast<std::size_t>(layer)];
    const std::string prefix = absl::StrCat("model.layers.", layer, ".mlp.experts.", expert, ".");
    ASSIGN_OR_RETURN(weights.gate, loader.Matrix(prefix + "gate_proj.weight", width, hidden));
    ASSIGN_OR_RETURN(weights.up, loader.Matrix(prefix + "up_proj.weight", width, hidden));
    ASSIGN_OR_RETURN(weights.down, loader.Matrix(prefix + "down_proj.weight", hidden, width));
  }
  return std::shared_ptr<const HeldExpert>(std::move(held));
}

absl::StatusOr<std::shared_ptr<const HeldExpert>> HeldExpert::Load(const ModelConfig& config,
                                                                   std::int32_t expert,
                                                                   const Checkpoint& checkpoint,
                                                                   Precision precision) {
  auto loader = std::make_unique<WeightLoader>(checkpoint, precision);
  ASSIGN_OR_RETURN(const std::shared_ptr<const HeldExpert> loaded, Load(config, expert, *loader));
  if (loader->bytes_copied() == 0) {
    for (const FeedForwardWeights& weights : loaded->layers_) {
      for (const WeightView* matrix : {&weights.gate, &weights.up, &weights.down}) {
        if (matrix->data != nullptr) {
          WillNeed(matrix->data, static_cast<std::size_t>(matrix->bytes()));
        }
      }
    }
  }
  auto held = std::make_shared<HeldExpert>();
  held->layers_ = loaded->layers_;
  held->own_loader_ = std::move(loader);
  return std::shared_ptr<const HeldExpert>(std::move(held));
}

const FeedForwardWeights* HeldExpert::Layer(int layer) const {
  if (layer < 0 || static_cast<std::size_t>(layer) >= layers_.size()) return nullptr;
  const FeedForwardWeights& weights = layers_[static_cast<std::size_t>(layer)];
  return weights.gate.data == nullptr ? nullptr : &weights;
}

std::int64_t HeldExpert::bytes() const {
  std::int64_t bytes = 0;
  for (const FeedForwardWeights& weights : layers_) {
    bytes += weights.gate.bytes() + weights.up.bytes() + weights.down.bytes();
  }
  return bytes;
}

absl::StatusOr<ExpertStore> ExpertStore::Load(const ModelConfig& config,
                                              absl::Span<const std::int32_t> experts,
                                              WeightLoader& loader) {
  std::vector<std::shared_ptr<const HeldExpert>> held(
      static_cast<std::size_t>(config.n_routed_experts));
  for (const std::int32_t expert : experts) {
    ASSIGN_OR_RETURN(std::shared_ptr<const HeldExpert> loaded,
                     HeldExpert::Load(config, expert, loader));
    std::shared_ptr<const HeldExpert>& place = held[static_cast<std::size_t>(expert)];
    if (place != nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("expert ", expert, " is listed twice"));
    }
    place = std::move(loaded);
  }
  return ExpertStore(std::move(held));
}

const FeedForwardWeights* ExpertStore::Find(int layer, std::int32_t expert) const {
  if (expert < 0 || static_cast<std::size_t>(expert) >= experts_.size()) return nullptr;
  const HeldExpert* held = experts_[static_cast<std::size_t>(expert)].get();
  return held == nullptr ? nullptr : held->Layer(layer);
}

std::shared_ptr<const HeldExpert> ExpertStore::Expert(std::int32_t expert) const {
  if (expert < 0 || static_cast<std::size_t>(expert) >= experts_.size()) return nullptr;
  return experts_[static_cast<std::size_t>(expert)];
}

std::vector<std::int32_t> ExpertStore::Ids() const {
  std::vector<std::int32_t> ids;
  for (std::size_t e = 0; e < experts_.size(); ++e) {
    if (experts_[e] != nullptr) ids.push_back(static_cast<std::int32_t>(e));
  }
  return ids;
}

std::vector<std::int32_t> AllExperts(const ModelConfig& config) {
  std::vector<std::int32_t> experts(static_cast<std::size_t>(config.n_routed_experts));
  std::iota(experts.begin(), experts.end(), 0);
  return experts;
}

}  // namespace sextant
