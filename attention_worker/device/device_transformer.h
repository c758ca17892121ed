// The attention half of one step on a GPU: what Transformer is on a CPU, with the same rules.
//
// A step is described in pinned memory, copied in at once, and run: by a captured graph where it is
// a plain decode step, else kernel by kernel. The host waits for nothing but the choice of tokens,
// and a plain decode step may be put on the stream before the tokens that it computes are chosen:
// the GPU takes them from the sampler itself.
//
// Precision: bf16. Memory: everything is allocated by Create; graphs are the driver's.
// Threads:   the engine thread makes every call.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "attention_worker/device/decode_graphs.h"
#include "attention_worker/device/device_layers.h"
#include "attention_worker/device/device_sampler.h"
#include "attention_worker/device/device_weights.h"
#include "attention_worker/device/step_layout.h"
#include "attention_worker/device/step_rows.h"
#include "attention_worker/model/step_model.h"
#include "common/device/gpu.h"

namespace sextant {

class DeviceTransformer final : public StepModel {
 public:
  struct Parts {
    const ModelConfig& config;
    GpuDriver& gpu;
    const CudaKernels& kernels;
    const DeviceWeights& weights;
    DeviceExchange& exchange;
    LatentCache& cache;       // on DeviceLatents
    const GpuStream& stream;  // of all its steps
    StepSizes sizes;          // of the largest step: MemoryPlan::step
  };

  // What `parts` names outlives the transformer.
  // Errors: ResourceExhausted when the device or pinned memory is short.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<DeviceTransformer>> Create(
      const Parts& parts);
  ~DeviceTransformer() override;

  // Errors: InvalidArgument for a position beyond the model's or a step beyond the sizes; Internal
  // for a fault of the GPU, which nothing but a new process mends; those of the exchange. Where
  // some of its rows did not arrive, the step may show that no sooner than its logits or tokens are
  // asked for.
  [[nodiscard]] absl::Status Forward(absl::Span<const SequenceSlice> slices) override;
  [[nodiscard]] absl::StatusOr<MatrixView<const float>> Logits() override;
  [[nodiscard]] absl::Status Sample(const SampleStep& step) override;
  [[nodiscard]] bool looks_ahead() const override { return true; }
  [[nodiscard]] absl::Status StartSample(const SampleStep& step) override;
  [[nodiscard]] absl::StatusOr<std::vector<absl::StatusOr<SampledToken>>> FinishSample() override;

  // Called for every MoE layer of every step until it is set to null; steps are slower meanwhile.
  void set_routing_observer(RoutingObserver* observer) { layers_.set_routing_observer(observer); }

  // Whether plain decode steps run as graphs, as they do; kernel by kernel they can be timed.
  void set_graphs(bool graphs) { uses_graphs_ = graphs; }
  // How many steps ran as graphs.
  [[nodiscard]] std::int64_t graph_steps() const { return graph_steps_; }

 private:
  struct Memory;
  DeviceTransformer(const Parts& parts, std::unique_ptr<Memory> memory, int multiprocessors);

  [[nodiscard]] absl::Status CheckIds(const StepRows& step) const;
  [[nodiscard]] absl::Status Describe(const StepRows& step);
  // Whether every step up to this one, which the stream has passed, counts (ended_steps_).
  [[nodiscard]] absl::Status Confirm(std::int64_t step);
  [[nodiscard]] DeviceLayers::Parts LayerParts(int multiprocessors) const;

  Parts parts_;
  std::unique_ptr<Memory> memory_;
  DeviceLayers layers_;
  DecodeGraphs graphs_;
  std::int64_t logit_rows_ = 0;  // of the last step
  // Of the steps that are to be confirmed: those of a captured form.
  std::int64_t ended_steps_ = 0;
  std::int64_t confirmed_steps_ = 0;
  std::deque<std::int64_t> sampled_steps_;  // of the choices of tokens under way
  bool uses_graphs_ = true;
  std::int64_t graph_steps_ = 0;
  std::vector<float> logits_;
};

}  // namespace sextant
