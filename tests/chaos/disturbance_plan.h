// What is done to a cluster and when, drawn from a seed: the same seed and shape give the same
// plan.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace sextant::chaos {

enum class DisturbanceKind : std::uint8_t {
  kKill,    // SIGKILL; the supervisor starts another process
  kFreeze,  // SIGSTOP for a while, longer than the cluster's patience; then SIGCONT or SIGKILL
  kPause,   // SIGSTOP for so short a while that it is no death
  kStarve,  // stopped and let go in turns, most of the time stopped: slow, and not dead
  kScale,   // expert workers are added, or drained
};

enum class WorkerKind : std::uint8_t { kAttention, kExpert };

struct Disturbance {
  absl::Duration at;  // since the beginning
  DisturbanceKind kind = DisturbanceKind::kKill;
  WorkerKind worker = WorkerKind::kExpert;
  int slot = 0;  // whom: a place among the workers of that kind, whoever is there then
  absl::Duration lasting = {};
  bool killed_after = false;  // kFreeze: it never wakes up
  bool only_one = false;      // there is no other expert worker at that time
  int experts = 0;            // kScale: how many there are to be

  // "expert worker killed": what stalls are counted under.
  [[nodiscard]] std::string Name() const;
};

struct PlanArgs {
  std::uint64_t seed = 0;
  absl::Duration duration = absl::Minutes(1);
  absl::Duration interval = absl::Seconds(2);  // between two faults
  int attention = 2;
  int experts = 4;              // at the beginning
  std::vector<int> scale = {};  // expert workers later on, in equal parts of the duration
};

// In the order of time. A worker is not disturbed while it still suffers from the last time, and
// never are all attention workers at once, nor is the only expert worker frozen: that would measure
// nothing but how long.
[[nodiscard]] std::vector<Disturbance> PlanDisturbances(const PlanArgs& args);

}  // namespace sextant::chaos
