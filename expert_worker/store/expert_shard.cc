#include "expert_worker/store/expert_shard.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant {

ExpertShard::ExpertShard(const ModelConfig& config, const Checkpoint& checkpoint,
                         Precision precision)
    : config_(config), checkpoint_(checkpoint), precision_(precision) {
  Publish(std::vector<std::shared_ptr<const HeldExpert>>(
      static_cast<std::size_t>(config.n_routed_experts)));
}

absl::Status ExpertShard::Prepare(std::uint64_t epoch, absl::Span<const std::int32_t> experts,
                                  const Progress& progress) {
  std::vector<bool> wanted(static_cast<std::size_t>(config_.n_routed_experts));
  for (const std::int32_t expert : experts) {
    if (expert < 0 || expert >= config_.n_routed_experts) {
      return absl::InvalidArgumentError(
          absl::StrCat("expert ", expert, " is outside [0, ", config_.n_routed_experts, ")"));
    }
    if (wanted[static_cast<std::size_t>(expert)]) {
      return absl::InvalidArgumentError(absl::StrCat("expert ", expert, " is listed twice"));
    }
    wanted[static_cast<std::size_t>(expert)] = true;
  }
  const std::shared_ptr<const ExpertStore> old = snapshot();
  std::vector<std::shared_ptr<const HeldExpert>> held;
  std::size_t done = 0;
  for (std::int32_t e = 0; e < static_cast<std::int32_t>(wanted.size()); ++e) {
    std::shared_ptr<const HeldExpert>& place = held.emplace_back(old->Expert(e));
    if (!wanted[static_cast<std::size_t>(e)]) continue;
    if (place == nullptr) {
      ASSIGN_OR_RETURN(place, HeldExpert::Load(config_, e, checkpoint_, precision_));
    }
    if (progress != nullptr) progress(++done, experts.size());
  }
  epochs_[epoch].assign(experts.begin(), experts.end());
  Publish(std::move(held));
  return absl::OkStatus();
}

void ExpertShard::Retire(std::uint64_t epoch) {
  if (!epochs_.contains(epoch)) return;
  epochs_.erase(epochs_.begin(), epochs_.find(epoch));
  const std::shared_ptr<const ExpertStore> old = snapshot();
  std::vector<std::shared_ptr<const HeldExpert>> kept(
      static_cast<std::size_t>(config_.n_routed_experts));
  for (const auto& [later, experts] : epochs_) {
    for (const std::int32_t expert : experts) {
      kept[static_cast<std::size_t>(expert)] = old->Expert(expert);
    }
  }
  Publish(std::move(kept));
}

std::shared_ptr<const ExpertStore> ExpertShard::snapshot() const {
  const MutexLock lock(mutex_);
  return store_;
}

void ExpertShard::Publish(std::vector<std::shared_ptr<const HeldExpert>> experts) {
  auto store = std::make_shared<const ExpertStore>(std::move(experts));
  const MutexLock lock(mutex_);
  store_.swap(store);  // the old one ends after the lock, if nobody else holds it
}

}  // namespace sextant
