// The two kernels that MlaPrefillCuda launches for each span of keys.
#pragma once

#include "kernels/mla/mla_prefill_cuda.h"

namespace sextant {

// Positions begin .. end - 1, at most span_keys of them; begin is a multiple of span_keys.
struct PrefillSpan {
  std::int32_t begin;
  std::int32_t end;
};

// Keys and values of the span, into args.expanded.
DeviceStatus ExpandLatents(DeviceStream stream, const MlaPrefillCudaArgs& args, PrefillSpan span);
// Every row over the span's keys; the outputs of rows that see no later ones.
DeviceStatus AttendToSpan(DeviceStream stream, const MlaPrefillCudaArgs& args, PrefillSpan span);

}  // namespace sextant
