// Where the communicators of epochs come from: NCCL (common/exchange/nccl_module), or a fake.
//
// One rank-to-be makes an id and its process lives until all have opened; the others are told the
// id by other means.
// Threads:   any. Open and Shrink wait for the other ranks; a communicator is of the GPU that the
//            calling thread's last call of a GpuDriver was of.
// Errors:    DeadlineExceeded where not every rank came in time, Unavailable for what else fails,
// in
//            NCCL's words; InvalidArgument for ranks that do not fit together.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/exchange/ranks/communicator.h"

namespace sextant {

struct RankOpening {
  std::string id;  // of MakeId
  int rank = 0;    // in [0, size), another for each
  int size = 0;
  absl::Duration timeout = absl::ZeroDuration();
};

class RankNetwork {
 public:
  virtual ~RankNetwork() = default;

  // Bytes for one communicator.
  [[nodiscard]] virtual absl::StatusOr<std::string> MakeId() = 0;

  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<Communicator>> Open(
      const RankOpening& opening) = 0;

  // A communicator of the ranks of `parent` but the `excluded`, in their order: all of these call
  // it, and no id has to be told. `parent` is aborted, whatever comes of it.
  //
  // Only for a parent with one Exchange under way at most. NCCL ends that, and lets go of the abort
  // before it connects: a second one, as in a graph, would begin and wait for the dead. Where more
  // may be under way, abort, and open anew.
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<Communicator>> Shrink(
      Communicator& parent, absl::Span<const int> excluded, absl::Duration timeout) = 0;
};

}  // namespace sextant
