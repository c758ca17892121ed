// What a request may set, in the form that SampleCuda takes.
#pragma once

#include <cstdint>

#include "common/sampling_params/sampling_params.h"
#include "kernels/sampling/sample_cuda.h"

namespace sextant {

// Of checked parameters; the pointers to history and bias, and their counts, are the caller's to
// fill in, for they are in device memory.
[[nodiscard]] SampleRowCuda DeviceSampleRow(const SamplingParams& params, std::uint64_t position);

}  // namespace sextant
