// Sorts the chosen slots of a step by expert, on a GPU and for whoever runs there: nothing comes
// back to the host.
//
// Shapes:    T tokens, K chosen experts, E experts; T * K < 2^31. Slot t * K + k is choice k of
//            token t.
// Order:     by expert, then by slot: stable, so that neither timing nor the grid moves a row.
//            An id outside [0, E) belongs to nobody here: its slot gets the place -1.
// Stream:    asynchronous. The ids are read from the cache by one block for each expert.
// Errors:    kInvalidArgument for sizes that do not fit; nothing is launched.
#pragma once

#include <cstdint>

#include "kernels/cuda/launch.h"

namespace sextant {

struct GroupRowsCudaArgs {
  const std::int32_t* expert_ids = nullptr;  // [T, K]
  std::int64_t rows = 0;                     // T
  const std::int32_t* live_rows = nullptr;   // on the device: later tokens have no place
  std::int32_t chosen = 0;                   // K
  std::int32_t experts = 0;                  // E
  std::int32_t* offsets = nullptr;           // [E + 1] out: expert e has places offsets[e] ...
  std::int32_t* source_rows = nullptr;       // [T * K] out: the token of each place
  std::int32_t* places = nullptr;            // [T * K] out: the place of each slot, or -1
};
DeviceStatus GroupRowsCuda(DeviceStream stream, const GroupRowsCudaArgs& args);

}  // namespace sextant
