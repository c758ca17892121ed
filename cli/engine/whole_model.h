// Both halves of a model in this process, on the CPU or on a GPU.
//
// Threads: the engine thread makes every call.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "attention_worker/cache/latent_cache.h"
#include "attention_worker/model/step_model.h"
#include "cli/engine/kernel_clock.h"
#include "kernels/ceiling/ceiling.h"

namespace sextant::cli {

class WholeModel {
 public:
  virtual ~WholeModel() = default;

  [[nodiscard]] virtual StepModel& step_model() = 0;
  [[nodiscard]] virtual LatentCache& cache() = 0;

  // The numeric profile: "cpu-avx512bf16", "cpu-avx512", "cpu-avx2", "reference" or "cuda".
  [[nodiscard]] virtual std::string profile() const = 0;
  // What computes, for people: "2 threads", or the name of a GPU.
  [[nodiscard]] virtual std::string device() const = 0;

  // What went where in a GPU's memory and how the weights came there, for people; empty on a CPU.
  [[nodiscard]] virtual std::string MemoryTable() const = 0;
  [[nodiscard]] virtual std::int64_t weight_value_bytes() const = 0;  // of one value of a matrix

  // Called for every MoE layer of every step until it is set to null.
  virtual void set_routing_observer(RoutingObserver* observer) = 0;
  // Whether steps are slower meanwhile.
  [[nodiscard]] virtual bool is_slow_when_observed() const = 0;

  // What the device could do at best, measured now.
  [[nodiscard]] virtual absl::StatusOr<Ceilings> MeasureCeilings() = 0;

  // Runs `step`, with the kernels of a GPU timed one by one; none on a CPU.
  [[nodiscard]] virtual absl::StatusOr<std::vector<KernelTime>> TimeKernels(
      const StepFacts& facts, absl::FunctionRef<absl::Status()> step) = 0;

  // After a step that failed: OK, or why no other one can succeed any more.
  [[nodiscard]] virtual absl::Status Check() = 0;

  // Memory in use now beyond weights and the latents in the cache.
  [[nodiscard]] virtual absl::StatusOr<std::int64_t> WorkspaceBytes() = 0;
};

}  // namespace sextant::cli
