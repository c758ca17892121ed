#include "kernels/sampling/sample_cuda_params.h"

#include <cmath>
#include <limits>

namespace sextant {

static_assert(kMostHeaviest == kMaxLogprobs);

SampleRowCuda DeviceSampleRow(const SamplingParams& params, std::uint64_t position) {
  SampleRowCuda row = {};
  row.seed = params.seed;
  row.position = position;
  row.top_k = params.top_k;
  const bool greedy = params.temperature < kGreedyTemperature;
  row.inverse_temperature = greedy ? 0.0F : 1.0F / params.temperature;
  row.lowest_shift = params.min_p > 0.0F ? std::log(params.min_p) * params.temperature
                                         : std::numeric_limits<float>::lowest();
  row.top_p = params.top_p;
  row.repetition_penalty = params.repetition_penalty;
  row.presence_penalty = params.presence_penalty;
  row.frequency_penalty = params.frequency_penalty;
  row.logprobs = params.logprobs.value_or(-1);
  return row;
}

}  // namespace sextant
