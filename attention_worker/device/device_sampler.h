// Chooses tokens on a GPU by the logits that a step has left there; what comes back to the host is
// the choice alone.
//
// Rows are taken as many at a time as their histories fit (SampleHistoryBytes): nearly always all.
// Threads: the engine thread makes every call.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "attention_worker/device/step_layout.h"
#include "attention_worker/model/step_model.h"
#include "common/config/model_config.h"
#include "common/device/gpu.h"
#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant {

class DeviceSampler {
 public:
  struct Parts {
    const ModelConfig& config;
    GpuDriver& gpu;
    const CudaKernels& kernels;
    StepLayout layout;
    StepSizes sizes;
    const GpuStream& stream;
  };

  // What `parts` names outlives the sampler. Errors: ResourceExhausted for want of pinned memory.
  [[nodiscard]] static absl::StatusOr<DeviceSampler> Create(const Parts& parts);

  // As StepModel::Sample says. Waits for the GPU.
  [[nodiscard]] absl::Status Sample(const SampleStep& step);

 private:
  DeviceSampler(const Parts& parts, GpuMemory pinned);

  void SetBanned(absl::Span<const std::int32_t> ids);
  // Describes rows from `begin` on in the pinned memory, as many as fit; returns how many, and sets
  // how many bytes of the history they take.
  [[nodiscard]] std::size_t Describe(const SampleStep& step, std::size_t begin,
                                     std::int64_t* history_bytes);
  [[nodiscard]] absl::Status Choose(const SampleStep& step, std::size_t begin, std::size_t count,
                                    std::int64_t history_bytes);

  Parts parts_;
  GpuMemory pinned_;
  SampleInputs host_;          // in pinned_, at the device's offsets
  SampledTokenCuda* results_;  // in pinned_
  std::vector<std::int32_t> banned_ids_;
};

}  // namespace sextant
