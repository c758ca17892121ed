// The steps of SampleCuda that files share.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/sampling/sample_cuda.h"

namespace sextant {

// Bias and penalties, into the workspace, of the rows that have any (adjust_logits_cuda.cu).
DeviceStatus AdjustLogitsCuda(DeviceStream stream, const SampleCudaArgs& args);

__device__ __forceinline__ bool IsAdjusted(const SampleRowCuda& row) {
  return row.bias_count > 0 || row.repetition_penalty != 1.0F || row.presence_penalty != 0.0F ||
         row.frequency_penalty != 0.0F;
}

__device__ __forceinline__ std::int64_t WorkspaceStride(const SampleCudaArgs& args) {
  return (std::int64_t{args.vocab_size} + kBf16PerWords - 1) / kBf16PerWords * kBf16PerWords;
}

__device__ __forceinline__ bool IsBanned(const std::uint32_t* banned, int id) {
  return banned != nullptr && (banned[id / 32] >> (id % 32) & 1U) != 0;
}

}  // namespace sextant
