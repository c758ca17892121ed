// The shard of routed experts that a worker holds: for each MoE layer and held expert, the three
// matrices of its feed-forward network, used in place from the mapped checkpoint.
//
// Ownership: an expert that was loaded through a loader of the caller's borrows from it; one that
//            was loaded from the checkpoint owns what it had to convert, borrows the rest, and is
//            shared by all stores that hold it.
// Threads:   immutable once loaded; any thread reads.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/config/model_config.h"
#include "common/tensor/precision.h"
#include "common/weights/checkpoint.h"
#include "common/weights/weight_loader.h"
#include "kernels/feed_forward/grouped_feed_forward.h"

namespace sextant {

// One expert in every MoE layer.
class HeldExpert {
 public:
  // Errors: InvalidArgument for an id outside [0, E); those of the loader.
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<const HeldExpert>> Load(
      const ModelConfig& config, std::int32_t expert, WeightLoader& loader);

  // With a loader of its own, so that copies live as long as the expert does. Asks the kernel to
  // read its pages ahead.
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<const HeldExpert>> Load(
      const ModelConfig& config, std::int32_t expert, const Checkpoint& checkpoint,
      Precision precision);

  // Null when the layer has no experts.
  [[nodiscard]] const FeedForwardWeights* Layer(int layer) const;

  [[nodiscard]] std::int64_t bytes() const;  // of all its weights

 private:
  std::unique_ptr<WeightLoader> own_loader_;
  std::vector<FeedForwardWeights> layers_;  // [num_hidden_layers]; without data: no experts there
};

class ExpertStore {
 public:
  // Maps `experts` (ids in [0, E), none twice) in every MoE layer.
  // Errors: InvalidArgument for ids out of range or doubled; those of the loader.
  [[nodiscard]] static absl::StatusOr<ExpertStore> Load(const ModelConfig& config,
                                                        absl::Span<const std::int32_t> experts,
                                                        WeightLoader& loader);

  // `experts` by id; null is not held.
  explicit ExpertStore(std::vector<std::shared_ptr<const HeldExpert>> experts)
      : experts_(std::move(experts)) {}

  // Null when the layer has no experts or this worker does not hold that one.
  [[nodiscard]] const FeedForwardWeights* Find(int layer, std::int32_t expert) const;

  // The expert in all layers; null if it is not held.
  [[nodiscard]] std::shared_ptr<const HeldExpert> Expert(std::int32_t expert) const;

  [[nodiscard]] std::vector<std::int32_t> Ids() const;  // of what is held, ascending

 private:
  std::vector<std::shared_ptr<const HeldExpert>> experts_;  // [E]
};

// All expert ids of the model: [0, E).
[[nodiscard]] std::vector<std::int32_t> AllExperts(const ModelConfig& config);

}  // namespace sextant
