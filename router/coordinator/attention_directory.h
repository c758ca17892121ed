// Which attention workers may be given sequences.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "proto/sextant/v1/placement.pb.h"
#include "router/coordinator/expert_cover.h"

namespace sextant {

// As the worker's hello says it; constant for its life.
struct AttentionWorkerInfo {
  std::string worker_id;
  v1::Endpoint endpoint;
  std::int64_t cache_blocks = 0;
  std::int64_t block_tokens = 0;
  std::int64_t max_sequences = 0;
};

// A worker is in the directory once it has committed an epoch that covers every expert. It leaves
// it when it dies, when it is drained, and while no worker that may hold experts is alive at all;
// not while the experts of a dead one move to the survivors, or ranks are halted. A whole worker is
// in it from its first heartbeat on, until it dies or is drained.
//
// A worker that has left the directory gets no new sequences. Those that it runs are its own until
// its stream breaks, or until the scheduler moves them.
class AttentionDirectory {
 public:
  virtual ~AttentionDirectory() = default;

  // Calls `listener` with all workers, sorted by id, after every change, in the coordinator's
  // thread. It must not block, and stay valid until the directory's owner has stopped. Subscribe
  // before that owner starts; the directory is then empty.
  virtual void Subscribe(std::function<void(const std::vector<AttentionWorkerInfo>&)> listener) = 0;

  // The same for what the experts lack, which is nothing in the beginning.
  virtual void SubscribeToCover(std::function<void(const ExpertCover&)> listener) = 0;
};

}  // namespace sextant
