#include "expert_worker/compute/stored_experts.h"

#include "absl/strings/str_cat.h"
#include "kernels/feed_forward/grouped_feed_forward.h"

namespace sextant {

absl::Status StoredExperts::Compute(const ExpertBatch& batch) {
  groups_.clear();
  for (const ExpertRowGroup& group : batch.groups) {
    const FeedForwardWeights* weights = store_.Find(batch.layer, group.expert);
    if (weights == nullptr) {
      return absl::NotFoundError(absl::StrCat("expert ", group.expert, " of layer ", batch.layer,
                                              " is not held by this worker"));
    }
    groups_.push_back({.weights = *weights, .rows = group.rows});
  }
  return GroupedFeedForward(
      stream_, {.x = batch.rows, .experts = groups_, .y = batch.outputs, .precision = precision_});
}

}  // namespace sextant
