// Which pauses of the streams go with which disturbance.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/chaos/endless_streams.h"

namespace sextant::chaos {

struct DisturbanceTime {
  std::string name;
  absl::Time at;
};

struct StallsOfKind {
  int disturbances = 0;
  std::vector<absl::Duration> longest = {};  // after each of them, ascending
};

// A gap goes with the first disturbance that was made during it (or just before it, for tokens are
// on their way for a moment), else with the last one before it. One that began later than `within`
// after that goes with none, and is counted under "".
[[nodiscard]] std::map<std::string, StallsOfKind> SortStalls(
    const std::vector<DisturbanceTime>& disturbances, const std::vector<Gap>& gaps,
    absl::Duration within);

// A table for people.
[[nodiscard]] std::string StallTable(const std::map<std::string, StallsOfKind>& stalls);

}  // namespace sextant::chaos
