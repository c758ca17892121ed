// The conductors of a process over the epochs: usually none or one, two while an epoch is being
// switched to in which this process conducts again.
//
// The ranks of an epoch hear of it at different times, so offers may come before this process knows
// that it conducts; they are kept. Those for epochs that are over are passed over.
//
// Threads:   one at a time, without locks, clocks or waiting.
// Errors:    as Conductor; ResourceExhausted for more early offers than ranks can have made.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "common/exchange/ranks/conductor.h"
#include "common/exchange/ranks/step_messages.h"

namespace sextant {

class Conductors {
 public:
  explicit Conductors(const ConductedLimits& limits) : limits_(limits) {}

  // From the control plane: this process conducts that epoch. The step that begins with what was
  // offered early, if one does. No-op when it is told twice or too late.
  [[nodiscard]] absl::StatusOr<std::optional<StepCall>> Conduct(const ConductedEpoch& epoch);

  // From the attention ranks; the step that begins, if one does.
  [[nodiscard]] absl::StatusOr<std::optional<StepCall>> Hear(const StepOffer& offer);

  // From the control plane, once every rank of `next` is prepared for it: `epoch` ends between two
  // steps. For all ranks of `epoch`; nothing when it is told twice or too late.
  [[nodiscard]] std::optional<LastStep> Switch(std::uint64_t epoch, std::uint64_t next);

  // From the control plane: all epochs before `next` are over, whatever is under way in them.
  void EndBefore(std::uint64_t next);

 private:
  const ConductedLimits limits_;
  std::uint64_t first_ = 1;  // epochs before it are over
  std::map<std::uint64_t, Conductor> conductors_;
  std::vector<StepOffer> early_;  // for epochs that nobody conducts here so far
};

}  // namespace sextant
