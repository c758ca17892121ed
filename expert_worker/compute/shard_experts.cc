#include "expert_worker/compute/shard_experts.h"

#include <utility>

namespace sextant {

void ShardExperts::Refresh() {
  const int backend = backend_.load();
  if (backend == kNoneYet) return;
  if (stream_ == nullptr) {
    pool_ = std::make_unique<ThreadPool>(options_.threads);
    stream_ = std::make_unique<Stream>(static_cast<Backend>(backend), *pool_);
  }
  std::shared_ptr<const ExpertStore> newest = shard_.snapshot();
  if (newest == store_) return;
  host_.reset();
  store_ = std::move(newest);
  host_.emplace(*store_, *stream_, options_.precision);
}

bool ShardExperts::HasExperts(int layer) const {
  return layer >= 0 && layer < config_.num_hidden_layers && config_.IsMoeLayer(layer);
}

bool ShardExperts::Holds(int layer, std::int32_t expert) const {
  return store_ != nullptr && store_->Find(layer, expert) != nullptr;
}

absl::Status ShardExperts::Compute(const ExpertBatch& batch) {
  if (!host_.has_value()) return absl::NotFoundError("no expert is held yet");
  return host_->Compute(batch);
}

}  // namespace sextant
