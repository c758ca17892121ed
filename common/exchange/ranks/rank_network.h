// Where the communicators of epochs come from: NCCL (common/exchange/nccl_module), or a fake.
//
// One rank-to-be makes an id and its process lives until all have opened; the others are told the
// id by other means.
// Threads:   any. Open waits for the other ranks; a communicator is of the GPU that the calling
//            thread's last call of a GpuDriver was of.
// Errors:    DeadlineExceeded where not every rank came in time, Cancelled, Unavailable for what
//            else fails, in NCCL's words; InvalidArgument for ranks that do not fit together.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/exchange/ranks/communicator.h"

namespace sextant {

struct RankOpening {
  std::string id;  // of MakeId
  int rank = 0;    // in [0, size), another for each
  int size = 0;
  absl::Duration timeout = absl::ZeroDuration();
  // Ends the waiting within some milliseconds once it is true; null: nothing does.
  const std::atomic<bool>* cancelled = nullptr;
};

class RankNetwork {
 public:
  virtual ~RankNetwork() = default;

  // Bytes for one communicator.
  [[nodiscard]] virtual absl::StatusOr<std::string> MakeId() = 0;

  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<Communicator>> Open(
      const RankOpening& opening) = 0;
};

}  // namespace sextant
