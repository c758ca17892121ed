// The ways in which the bytes of a layer are moved, to be compared: the exchange of the engine, and
// plain messages of the same bytes.
//
// A pattern takes steps of clock.layers() layers, in which all ranks take part in the same order.
// In slot form a step is a graph, captured when its detail is first wanted, in which nothing waits
// for the host; in exact form it is launched layer by layer.
//
// Threads:   the engine thread makes every call.
// Errors:    those of the exchange, the communicator and the GPU.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "cli/exchange/fixed_host.h"
#include "cli/exchange/layer_clock.h"
#include "cli/exchange/message_log.h"
#include "cli/exchange/scheduled_conductor.h"
#include "common/device/gpu.h"
#include "common/exchange/device_exchange.h"
#include "common/exchange/ranks/communicator.h"
#include "common/exchange/ranks/rank_exchange.h"
#include "common/exchange/ranks/rank_step.h"

namespace sextant::cli {

class LayerPattern {
 public:
  virtual ~LayerPattern() = default;

  // Takes a step, and waits for it. The clock has its times, on a rank that notes them.
  [[nodiscard]] virtual absl::Status Step(Detail detail) = 0;
};

// What one step puts on a stream, as a graph for each detail.
class StepGraphs {
 public:
  explicit StepGraphs(const GpuStream& stream) : stream_(stream) {}
  [[nodiscard]] absl::Status Launch(Detail detail, absl::FunctionRef<absl::Status()> step);

 private:
  const GpuStream& stream_;
  std::map<Detail, GpuGraph> graphs_;
};

// The engine's exchange, on a rank that attends.
class ExchangePattern final : public LayerPattern {
 public:
  struct Parts {
    const GpuStream& stream;
    LayerClock& clock;
    RankExchange& exchange;
    FixedHost* host = nullptr;  // null: this rank holds no experts
    RankStepForm form = RankStepForm::kSlots;
    DeviceDispatch rows = {};  // of every layer
  };
  explicit ExchangePattern(const Parts& parts) : parts_(parts), graphs_(parts.stream) {}

  [[nodiscard]] absl::Status Step(Detail detail) override;

  // Of the last step's last layer.
  [[nodiscard]] const DeviceExpertOutputs& outputs() const { return outputs_; }

 private:
  [[nodiscard]] absl::Status PutLayers();

  const Parts parts_;
  StepGraphs graphs_;
  DeviceExpertOutputs outputs_;
};

// The same on a rank that only holds experts; its times are not noted.
class ServedPattern final : public LayerPattern {
 public:
  struct Parts {
    RankExchange& exchange;
    ScheduledConductor& conductor;
    Communicator& communicator;  // of the exchange
    RankStepForm form = RankStepForm::kSlots;
    std::int64_t rows = 0;  // of each rank that attends
  };
  explicit ServedPattern(const Parts& parts) : parts_(parts) {}

  [[nodiscard]] absl::Status Step(Detail detail) override;

 private:
  const Parts parts_;
};

// Messages alone: in each layer one group for rows, and one for outputs.
class MessagePattern final : public LayerPattern {
 public:
  struct Parts {
    const GpuStream& stream;
    LayerClock& clock;
    Communicator& communicator;
    RankStepForm form = RankStepForm::kSlots;
    LoggedGroup rows = {};
    LoggedGroup outputs = {};
  };
  explicit MessagePattern(Parts parts) : parts_(std::move(parts)), graphs_(parts_.stream) {}

  [[nodiscard]] absl::Status Step(Detail detail) override;

 private:
  [[nodiscard]] absl::Status PutLayers();

  const Parts parts_;
  StepGraphs graphs_;
};

}  // namespace sextant::cli
