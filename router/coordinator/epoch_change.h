// An epoch on its way: who still has to answer, in which phase.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "router/coordinator/load_balance.h"
#include "router/coordinator/placement_settings.h"

namespace sextant {

struct EpochChange {
  enum class Phase : std::uint8_t { kHalt, kPrepare, kCommit, kRetire };

  std::uint64_t number = 0;
  std::string cause;            // as in EpochStatus
  bool by_settings = false;     // nothing but other settings is the reason
  HolderLists holders;          // empty before it is prepared
  std::set<std::string> ranks;  // the members of an epoch of ranks
  PlacementSettings settings;   // by which it was planned
  bool by_load = false;         // it evens out the load as well
  Phase phase = Phase::kPrepare;
  std::set<std::string> participants;
  std::set<std::string> pending;  // those of them that have not answered in this phase
  int moved = 0;                  // experts that get another holder
  absl::Time began;
  absl::Time phase_began;
  absl::Time deadline;  // of the phase
};

[[nodiscard]] inline const char* PhaseName(EpochChange::Phase phase) {
  switch (phase) {
    case EpochChange::Phase::kHalt:
      return "halt";
    case EpochChange::Phase::kPrepare:
      return "prepare";
    case EpochChange::Phase::kCommit:
      return "commit";
    case EpochChange::Phase::kRetire:
      return "retire";
  }
  return "";
}

}  // namespace sextant
