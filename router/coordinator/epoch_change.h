// An epoch on its way: who still has to answer, in which phase.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "router/coordinator/placement.h"

namespace sextant {

struct EpochChange {
  enum class Phase : std::uint8_t { kPrepare, kCommit };

  std::uint64_t number = 0;
  ExpertHolders holders;
  Phase phase = Phase::kPrepare;
  std::set<std::string> participants;
  std::set<std::string> pending;  // those of them that have not answered in this phase
  absl::Time began;
  absl::Time deadline;  // of the phase
};

}  // namespace sextant
