// The experts of a shard, as the dispatch worker computes with them: each batch on the newest
// snapshot, on threads and a stream of its own.
//
// Threads:   Use may be called by any thread; the rest by the dispatch worker's, which owns the
//            stream.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "common/config/model_config.h"
#include "common/device/backend.h"
#include "common/device/stream.h"
#include "common/tensor/precision.h"
#include "expert_worker/compute/stored_experts.h"
#include "expert_worker/dispatch/served_experts.h"
#include "expert_worker/store/expert_shard.h"

namespace sextant {

class ShardExperts final : public ServedExperts {
 public:
  struct Options {
    int threads = 1;
    Precision precision = Precision::kBf16;
  };

  // `config` and `shard` outlive this. No expert is held before Use.
  ShardExperts(const ModelConfig& config, const ExpertShard& shard, const Options& options)
      : config_(config), shard_(shard), options_(options) {}

  // What the cluster computes with, once that is agreed on; this processor supports it. Once.
  void Use(Backend backend) { backend_.store(static_cast<int>(backend)); }

  void Refresh() override;
  [[nodiscard]] bool HasExperts(int layer) const override;
  [[nodiscard]] bool Holds(int layer, std::int32_t expert) const override;
  [[nodiscard]] absl::Status Compute(const ExpertBatch& batch) override;

 private:
  static constexpr int kNoneYet = -1;

  const ModelConfig& config_;
  const ExpertShard& shard_;
  const Options options_;
  std::atomic<int> backend_ = kNoneYet;

  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<Stream> stream_;
  std::shared_ptr<const ExpertStore> store_;
  std::optional<StoredExperts> host_;  // on store_
};

}  // namespace sextant
