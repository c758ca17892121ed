// How hidden states reach the routed experts and come back where the attention half is on a GPU:
// the interface of exchange.h, in device memory.
//
// A step is Begin, then Dispatch and Collect in every MoE layer, then End; when the stream has
// passed it, Confirm says whether it counts. One more step may be begun before that. Where Begin
// allows it, Dispatch and Collect of a plain decode step are captured once as a graph, and called
// no more in steps that launch it.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/device/device_stream.h"
#include "common/tensor/float_types.h"

namespace sextant {

struct DeviceStep {
  std::int64_t rows = 0;
  bool plain_decode = false;  // one position of each sequence, with logits: it may be a graph
};

struct DeviceStepForm {
  // Whether the layers only put work on the stream, so that they may be captured.
  bool captured = true;
  // The rows of the graph that takes a plain decode step, not fewer than the step's; 0: any.
  std::int64_t graph_rows = 0;
};

// Shapes: T tokens, H hidden, K chosen experts. Pointers are to device memory.
struct DeviceDispatch {
  int layer = 0;                             // index in the model, 0-based
  const Bf16* rows = nullptr;                // [T, H] normed hidden states
  const std::int32_t* expert_ids = nullptr;  // [T, K] in [0, E), heaviest first
  std::int64_t tokens = 0;                   // T
  const std::int32_t* live_rows = nullptr;   // rows from this on are nobody's
};

struct DeviceExpertOutputs {
  const Bf16* rows = nullptr;            // one for each place, H values, unweighted
  const std::int32_t* places = nullptr;  // [T, K]: where choice k of token t lies in rows
};

// The attention side's end. One dispatch is in flight at a time.
//
// Ownership: what Dispatch was given must stay until the stream has passed Collect's work; what
//            Collect returned, until the next Dispatch.
// Errors:    InvalidArgument for shapes out of range; what the device refuses. Unavailable where
//            somebody who holds experts is gone: the step can be taken again when others hold them.
//            Aborted where it can be taken again at once.
class DeviceExchange {
 public:
  virtual ~DeviceExchange() = default;

  // `drop` is called, by a thread that makes a call of this, before what is captured in graphs goes
  // away; null: nobody has any. For whoever captures Dispatch and Collect.
  virtual void OnGraphsEnd(std::function<void()> drop) = 0;

  // Waits until the step can be taken.
  [[nodiscard]] virtual absl::StatusOr<DeviceStepForm> Begin(const DeviceStep& step) = 0;

  // Sends the rows on their way; work that needs no expert may be put on the stream before Collect.
  [[nodiscard]] virtual absl::Status Dispatch(DeviceStream stream,
                                              const DeviceDispatch& dispatch) = 0;

  // Every output row of the last dispatch, for what is put on the stream afterwards.
  [[nodiscard]] virtual absl::StatusOr<DeviceExpertOutputs> Collect(DeviceStream stream) = 0;

  // All layers of the step are on the stream. A step that cannot be captured is waited for here,
  // and confirmed.
  [[nodiscard]] virtual absl::Status End(DeviceStream stream) = 0;

  // The stream has passed the step that ended first of those that could be captured and are not
  // confirmed: OK if all its rows and outputs have arrived; else what it computed is good for
  // nothing. Without such a step: OK.
  [[nodiscard]] virtual absl::Status Confirm() = 0;
};

}  // namespace sextant
