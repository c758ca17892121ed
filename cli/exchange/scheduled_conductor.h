// A conductor for ranks that all know which steps come: each has one of its own, and makes the
// offers of the others itself, so that nothing is said between them. They still meet in each layer.
//
// Threads:   the engine thread makes every call.
#pragma once

#include <cstdint>

#include "common/exchange/ranks/conductor.h"
#include "common/exchange/ranks/step_gate.h"

namespace sextant::cli {

class ScheduledConductor final : public ConductorLink {
 public:
  ScheduledConductor(const ConductedEpoch& epoch, const ConductedLimits& limits)
      : epoch_(epoch), conductor_(epoch, limits) {}

  // Of this rank; before its first step, and as long as it takes steps.
  void Attach(StepGate& gate) { gate_ = &gate; }

  // For a rank that makes no offers: what the others offer for the next step.
  void Call(std::int64_t rows, bool exact);

  // Of this rank: the others that attend make the same.
  void Send(const StepOffer& offer) override;

 private:
  const ConductedEpoch epoch_;
  Conductor conductor_;
  StepGate* gate_ = nullptr;
  std::uint64_t steps_ = 0;  // that were called
};

}  // namespace sextant::cli
