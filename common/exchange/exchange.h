// How hidden states reach the routed experts and come back: the one interface that the attention
// half and the expert half share.
//
// The attention side dispatches the rows of a layer and collects one output row per chosen expert;
// it keeps the gate's weights and sums in top-k order itself, so that where an expert lives cannot
// change a bit. The expert side sees rows grouped by expert.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/tensor/matrix_view.h"

namespace sextant {

// Shapes: T tokens, H hidden, K chosen experts.
struct ExpertDispatch {
  int layer = 0;                              // index in the model, 0-based
  MatrixView<const float> rows;               // [T, H] normed hidden states
  MatrixView<const std::int32_t> expert_ids;  // [T, K] in [0, E), heaviest first
};

// Shapes: R = T * K output rows, in whatever order suited the experts.
struct ExpertOutputs {
  MatrixView<const float> rows;           // [R, H], unweighted
  absl::Span<const std::int32_t> row_of;  // [T * K]: where the k-th choice of token t lies in rows
};

// The attention side's end. One dispatch is in flight at a time.
//
// Ownership: what Dispatch was given must live until Collect has returned; what Collect returned
// lives until the next Dispatch.
// Threads:   the engine thread makes every call.
// Errors:    InvalidArgument for shapes or ids out of range; Unavailable when no worker can serve
//            an expert.
class Exchange {
 public:
  virtual ~Exchange() = default;

  // Sends the rows on their way; work that needs no expert may run before Collect.
  [[nodiscard]] virtual absl::Status Dispatch(const ExpertDispatch& dispatch) = 0;

  // Waits for every output row of the last dispatch.
  [[nodiscard]] virtual absl::StatusOr<ExpertOutputs> Collect() = 0;
};

// The rows that one expert has to work on.
struct ExpertRowGroup {
  std::int32_t expert = 0;
  absl::Span<const std::int32_t> rows;  // row numbers of ExpertBatch::rows, ascending
};

// Shapes: R = sum of the groups' sizes.
struct ExpertBatch {
  int layer = 0;
  MatrixView<const float> rows;             // [T, H]
  absl::Span<const ExpertRowGroup> groups;  // ascending experts, none twice, none empty
  MatrixView<float> outputs;                // [R, H] out: the groups' rows, one group after another
};

// The expert side's end: computes y = FFN_e(x) for every row of every group.
class ExpertHost {
 public:
  virtual ~ExpertHost() = default;

  // Errors: NotFound for an expert or layer that this host does not hold.
  [[nodiscard]] virtual absl::Status Compute(const ExpertBatch& batch) = 0;
};

}  // namespace sextant
