// Looks up the rows of the embedding table on a GPU: where the residual stream starts.
//
// Shapes:    T tokens, V vocabulary, H hidden, a multiple of 8; rows packed, pointers aligned to 16
//            bytes.
// Numerics:  exact.
// Stream:    asynchronous; ids are read on the device, where the sampler may have left them
//            (`id_stride` int32 apart, so that they can be those of SampledTokenCuda).
// Errors:    kInvalidArgument for shapes or pointers that do not fit; nothing is launched. An id
//            outside [0, V), as a row that failed to be sampled may have, gives a row of zeros.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"
#include "kernels/cuda/launch.h"

namespace sextant {

struct EmbeddingCudaArgs {
  const Bf16* table = nullptr;        // [V, H]
  std::int64_t vocab_size = 0;        // V
  const std::int32_t* ids = nullptr;  // [T], on the device
  std::int64_t id_stride = 1;
  Bf16* rows_out = nullptr;                 // [T, H] out
  std::int64_t rows = 0;                    // T
  const std::int32_t* live_rows = nullptr;  // on the device: rows from this on are left alone
  std::int64_t hidden = 0;                  // H
};
DeviceStatus EmbeddingCuda(DeviceStream stream, const EmbeddingCudaArgs& args);

}  // namespace sextant
