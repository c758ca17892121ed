// The shard of routed experts that a worker holds: for each MoE layer and held expert, the three
// matrices of its feed-forward network, used in place from the mapped checkpoint.
//
// Ownership: views borrow from the loader, which outlives the store.
// Threads:   immutable once loaded; any thread reads.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/config/model_config.h"
#include "common/weights/weight_loader.h"
#include "kernels/feed_forward/grouped_feed_forward.h"

namespace sextant {

class ExpertStore {
 public:
  // Maps `experts` (ids in [0, E), none twice) in every MoE layer.
  // Errors: InvalidArgument for ids out of range or doubled; those of the loader.
  [[nodiscard]] static absl::StatusOr<ExpertStore> Load(const ModelConfig& config,
                                                        absl::Span<const std::int32_t> experts,
                                                        WeightLoader& loader);

  // Null when the layer has no experts or this worker does not hold that one.
  [[nodiscard]] const FeedForwardWeights* Find(int layer, std::int32_t expert) const;

 private:
  ExpertStore() = default;

  // [num_hidden_layers][E]; a weight with no data is not held.
  std::vector<std::vector<FeedForwardWeights>> layers_;
};

// All expert ids of the model: [0, E).
[[nodiscard]] std::vector<std::int32_t> AllExperts(const ModelConfig& config);

}  // namespace sextant
