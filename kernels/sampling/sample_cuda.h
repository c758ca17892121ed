// Chooses the next token of each row of logits on a GPU; nothing but the choice comes back.
//
// Shapes:    R rows, V vocabulary, at most 2^19; each row has room for V rounded up to a multiple
//            of 8, which is read but not used; strides multiples of 8, pointers aligned to 16
//            bytes.
// Order:     kernels/sampling/sample.h: the same steps, the same draw by Philox of (seed,
// position),
//            ties to the lower id.
// Numerics:  a weight exp((logit - heaviest) / temperature) is f32, then a whole number of 2^-44;
//            sums of such numbers are exact, so no order of adding can change a bit, and a row's
//            result depends on the row alone. Backends agree but where u, or a share of top_p,
//            falls within rounding of a token's edge. Logprobs: the same sums, log in f64.
// Memory:    a workspace of 8 V bytes for each row, touched for rows with penalties or bias alone.
// Stream:    asynchronous; one block has a row. Everything about a row is read on the device.
// Errors:    kInvalidArgument for shapes or pointers that do not fit; nothing is launched. A row's
//            own fault is its `status`.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"
#include "kernels/cuda/launch.h"

namespace sextant {

inline constexpr int kMostHeaviest = 20;  // kMaxLogprobs

struct LogitBiasCuda {
  std::int32_t id;
  float bias;
};

// A checked SamplingParams, as the device takes it. Pointers are to device memory.
struct SampleRowCuda {
  std::uint64_t seed;
  std::uint64_t position;
  const std::int32_t* prompt;  // read when repetition_penalty is not 1
  const std::int32_t* output;
  const LogitBiasCuda* bias;
  std::int32_t prompt_count;
  std::int32_t output_count;
  std::int32_t bias_count;
  std::int32_t top_k;         // 0: all
  float inverse_temperature;  // 1 / temperature; 0: greedy
  float lowest_shift;         // log(min_p) * temperature, or lowest()
  float top_p;
  float repetition_penalty;
  float presence_penalty;
  float frequency_penalty;
  std::int32_t logprobs;  // how many of the heaviest are reported; negative: no logprobs at all
};

enum class SampleStatus : std::int32_t { kOk, kNotFinite, kAllBanned };

struct SampledTokenCuda {
  SampleStatus status;
  std::int32_t id;
  float logprob;                // set when the row asks for logprobs
  std::int32_t heaviest_count;  // fewer than asked for where fewer ids are allowed
  std::int32_t heaviest_ids[kMostHeaviest];
  float heaviest_logprobs[kMostHeaviest];
};

struct SampleCudaArgs {
  const Bf16* logits = nullptr;  // [R, V]
  std::int64_t logits_stride = 0;
  std::int64_t rows = 0;                    // R
  const std::int32_t* live_rows = nullptr;  // on the device: rows from this on are left alone
  std::int32_t vocab_size = 0;              // V
  const std::uint32_t* banned = nullptr;  // [V / 32 rounded up] bit id % 32 of word id / 32: never
                                          // sampled; null: none
  const SampleRowCuda* params = nullptr;  // [R], on the device
  float* adjusted = nullptr;              // [R, V rounded up to 8] workspace
  std::uint32_t* counts = nullptr;        // [R, V rounded up to 8] workspace
  SampledTokenCuda* results = nullptr;    // [R] out
};
DeviceStatus SampleCuda(DeviceStream stream, const SampleCudaArgs& args);

}  // namespace sextant
