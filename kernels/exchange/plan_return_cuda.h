// In which order the outputs of the experts go back to those who sent the rows, on a GPU.
//
// Shapes:    A sources (at most 64), R rows received, those of a source one after another, K chosen
//            experts, P pairs of a slot; R K and A P stay below 2^31. A choice is a pair where it
//            has a place.
// Order:     the pairs of a source ascend by row, then by choice: the order in which
//            PlanDispatchCuda counted them there.
// Stream:    asynchronous. A block for each source reads the places of its rows.
// Errors:    kInvalidArgument for sizes that do not fit; nothing is launched. A pair that does not
//            fit is left out: its source finds that out by itself (PlanDispatchCudaArgs::overflow).
#pragma once

#include <cstdint>

#include "kernels/cuda/launch.h"

namespace sextant {

struct PlanReturnCudaArgs {
  const std::int32_t* places = nullptr;  // [R, K] of GroupRowsCuda: the row of the outputs, or -1
  std::int32_t chosen = 0;               // K
  std::int32_t sources = 0;              // A
  std::int64_t slot_rows = 0;            // C: source a has rows a C .. of R = A C
  std::int64_t slot_pairs = 0;           // P: and its outputs go to a P ..
  // On the device, both or none: source a has rows first_rows[a] .. first_rows[a + 1], and its
  // outputs go to first_pairs[a] .. first_pairs[a + 1], whatever the slots are.
  const std::int32_t* first_rows = nullptr;   // [A + 1]
  const std::int32_t* first_pairs = nullptr;  // [A + 1]
  std::int64_t most_pairs = 0;  // of all sources, where these are given: nothing is written beyond
  // [A, P], or [first_pairs[A]], out: the row of the outputs that goes back, or -1 for none.
  std::int32_t* source_places = nullptr;
};
DeviceStatus PlanReturnCuda(DeviceStream stream, const PlanReturnCudaArgs& args);

}  // namespace sextant
