// The table of one arithmetic's kernels.
#pragma once

#include "kernels/mla/decode_impl.h"
#include "kernels/mla/mla_kernels.h"
#include "kernels/mla/prefill_impl.h"

namespace sextant {
namespace {

template <typename A>
MlaKernels KernelsOf() {
  return {.lanes = A::kLanes,
          .tile_height = A::kHeight,
          .per_unit = A::kPerUnit,
          .pack_weights = &PackWeightsOf<A>,
          .expand = &Expand<A>,
          .attend = &Attend<A>,
          .absorb = &Absorb<A>,
          .pack_rows = &PackRows<A>,
          .split = &Split<A>,
          .merge = &MergeSplits<typename A::V>,
          .unabsorb = &Unabsorb<typename A::V>};
}

}  // namespace
}  // namespace sextant
