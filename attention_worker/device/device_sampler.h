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

  // As StepModel says of Sample, StartSample and FinishSample. Rows of Sample may take several
  // launches; those of Start must fit one (ResourceExhausted).
  [[nodiscard]] absl::Status Sample(const SampleStep& step);
  [[nodiscard]] absl::Status Start(const SampleStep& step);
  [[nodiscard]] absl::StatusOr<std::vector<absl::StatusOr<SampledToken>>> Finish();

 private:
  using Tokens = std::vector<absl::StatusOr<SampledToken>>;

  // What the host needs of one launch until its tokens have come back.
  struct Slot {
    SampleInputs host;          // pinned, at the device's offsets
    SampledTokenCuda* results;  // pinned
    GpuEvent done;
    Tokens tokens;  // of its rows: an error where the row was refused
  };

  DeviceSampler(const Parts& parts, GpuMemory pinned, std::vector<Slot> slots)
      : parts_(parts), pinned_(std::move(pinned)), slots_(std::move(slots)) {}

  static void SetBanned(const SampleInputs& host, std::int64_t vocab_size,
                        absl::Span<const std::int32_t> ids);
  // Describes rows from `begin` on in the slot's memory, as many as fit; returns how many, and sets
  // how many bytes of the history they take.
  [[nodiscard]] std::size_t Describe(const SampleStep& step, std::size_t begin, Slot& slot,
                                     std::int64_t* history_bytes);
  // Puts the choice for those rows on the stream.
  [[nodiscard]] absl::Status Launch(const SampleStep& step, std::size_t begin, std::size_t count,
                                    std::int64_t history_bytes, Slot& slot);
  // Waits for it.
  [[nodiscard]] absl::StatusOr<Tokens> Wait(Slot& slot);

  Parts parts_;
  GpuMemory pinned_;
  std::vector<Slot> slots_;
  std::size_t first_ = 0;  // the slot of the launch that is to be finished first
  std::size_t under_way_ = 0;
};

}  // namespace sextant
