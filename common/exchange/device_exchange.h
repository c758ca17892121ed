// How hidden states reach the routed experts and come back where the attention half is on a GPU:
// the interface of exchange.h, in device memory. Both calls only put work on the stream, so that a
// step may be captured as a graph.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/device/device_stream.h"
#include "common/tensor/float_types.h"

namespace sextant {

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
// Errors:    InvalidArgument for shapes out of range; what the device refuses.
class DeviceExchange {
 public:
  virtual ~DeviceExchange() = default;

  // Sends the rows on their way; work that needs no expert may be put on the stream before Collect.
  [[nodiscard]] virtual absl::Status Dispatch(DeviceStream stream,
                                              const DeviceDispatch& dispatch) = 0;

  // Every output row of the last dispatch, for what is put on the stream afterwards.
  [[nodiscard]] virtual absl::StatusOr<DeviceExpertOutputs> Collect(DeviceStream stream) = 0;
};

}  // namespace sextant
