// Which expert worker holds which expert.
//
// Balanced: the numbers of experts of any two workers differ by at most one. Of all balanced
// placements it is one that moves the fewest experts. A pure function: equal arguments, equal
// placement, on every machine.
#pragma once

#include <string>
#include <vector>

namespace sextant {

// The holder of each expert by its id, [E]; empty where there is none.
using ExpertHolders = std::vector<std::string>;

struct PlacementArgs {
  std::vector<std::string> workers;  // who may hold experts: at least one, none twice, any order
  ExpertHolders previous;            // [E]; holders outside `workers` count as none
};

// Every expert has a holder in the result. With more workers than experts, some hold none.
[[nodiscard]] ExpertHolders PlanPlacement(const PlacementArgs& args);

}  // namespace sextant
