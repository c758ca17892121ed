// The expert half: runs the grouped feed-forward of the experts in a store.
#pragma once

#include <vector>

#include "common/device/stream.h"
#include "common/exchange/exchange.h"
#include "common/tensor/precision.h"
#include "expert_worker/store/expert_store.h"

namespace sextant {

class StoredExperts final : public ExpertHost {
 public:
  // `store` and `stream` outlive this. Threads: the stream's owner calls Compute.
  StoredExperts(const ExpertStore& store, Stream& stream, Precision precision)
      : store_(store), stream_(stream), precision_(precision) {}

  [[nodiscard]] absl::Status Compute(const ExpertBatch& batch) override;

 private:
  const ExpertStore& store_;
  Stream& stream_;
  Precision precision_;
  std::vector<ExpertRows> groups_;  // of the batch at hand
};

}  // namespace sextant
