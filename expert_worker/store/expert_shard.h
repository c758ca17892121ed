// What a worker holds over time: placements come and go while others compute with a snapshot.
//
//   prepare  maps the experts of a new placement beside those that are held
//   retire   drops what neither that placement nor one prepared later has here
//
// Ownership: a snapshot keeps its experts alive, however long a batch takes; the config and the
//            checkpoint outlive the shard and all snapshots.
// Threads:   any; Prepare and Retire one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/base/mutex.h"
#include "common/config/model_config.h"
#include "common/tensor/precision.h"
#include "common/weights/checkpoint.h"
#include "expert_worker/store/expert_store.h"

namespace sextant {

class ExpertShard {
 public:
  // Called by Prepare after each expert that it maps: how many of how many are there.
  using Progress = std::function<void(std::size_t done, std::size_t of)>;

  ExpertShard(const ModelConfig& config, const Checkpoint& checkpoint, Precision precision);

  // Adds `experts` (in [0, E), none twice) as those of `epoch`.
  // Errors: InvalidArgument for ids out of range or doubled; those of the checkpoint. What was held
  //         before is then held still, and nothing else.
  [[nodiscard]] absl::Status Prepare(std::uint64_t epoch, absl::Span<const std::int32_t> experts,
                                     const Progress& progress = nullptr);

  // Keeps the experts of `epoch` and of later ones. An epoch that was not prepared drops nothing.
  void Retire(std::uint64_t epoch);

  [[nodiscard]] std::shared_ptr<const ExpertStore> snapshot() const;

 private:
  void Publish(std::vector<std::shared_ptr<const HeldExpert>> experts);

  const ModelConfig& config_;
  const Checkpoint& checkpoint_;
  const Precision precision_;
  std::map<std::uint64_t, std::vector<std::int32_t>> epochs_;  // of Prepare's and Retire's caller

  mutable Mutex mutex_;
  std::shared_ptr<const ExpertStore> store_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sextant
