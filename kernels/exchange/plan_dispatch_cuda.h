// Which rows go to which of the ranks that hold experts, on a GPU and for whoever runs there: a row
// goes once to each rank that holds any of its chosen experts.
//
// Shapes:    T tokens, K chosen experts (at most 32), E experts, D destinations (at most 64), C
// rows
//            and P pairs of a slot; T K, D C K and D P stay below 2^31. A pair is a row with one of
//            its choices whose expert is at the slot's destination. An id outside [0, E) has no
//            expert and makes no pair.
// Order:     rows of a slot ascend by token; its pairs ascend by row, then by choice. Outputs come
//            back in the order of pairs.
// Numerics:  integers; nothing depends on timing or the grid.
// Stream:    asynchronous. A block for each destination reads all ids, out of the cache.
// Errors:    kInvalidArgument for sizes that do not fit; nothing is launched. Where there are more
//            rows or pairs than a slot has, the first ones are in it, `overflow` says so, and the
//            places are good for nothing but being read at.
#pragma once

#include <cstdint>

#include "kernels/cuda/launch.h"

namespace sextant {

struct ExpertSeatCuda {
  std::int32_t destination;  // in [0, D)
  std::int32_t local;        // the expert's number there
};

struct PlanDispatchCudaArgs {
  const std::int32_t* expert_ids = nullptr;  // [T, K] in [0, E)
  std::int64_t rows = 0;                     // T
  const std::int32_t* live_rows = nullptr;   // on the device: later tokens go nowhere
  std::int32_t chosen = 0;                   // K
  const ExpertSeatCuda* seats = nullptr;     // [E], on the device
  std::int32_t experts = 0;                  // E
  std::int32_t destinations = 0;             // D
  std::int64_t slot_rows = 0;                // C
  // P; 0: outputs come back packed, those of a destination right after those of the one before, and
  // only rows have to fit.
  std::int64_t slot_pairs = 0;
  // Both are filled up with -1: how the receiver knows which rows there are.
  std::int32_t* source_rows = nullptr;  // [D, C] out: the token of each row of a slot, or -1
  std::int32_t* local_ids = nullptr;    // [D, C, K] out: the expert's number there, or -1
  // [T, K] out: where the output of each choice comes back, d P + its pair, or packed. 0 for what
  // does not fit or has no expert; left alone for tokens that are not live.
  std::int32_t* places = nullptr;
  std::int32_t* counts = nullptr;    // [D, 2] out: rows and pairs that there are, fit or not
  std::int32_t* overflow = nullptr;  // one value: set to 1 where something does not fit, else left
};
DeviceStatus PlanDispatchCuda(DeviceStream stream, const PlanDispatchCudaArgs& args);

}  // namespace sextant
