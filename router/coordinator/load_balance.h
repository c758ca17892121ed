// Placement by observed load: evens out what the workers compute, and finds holders for copies of
// hot experts.
//
// Pure functions: equal arguments, equal placement, on every machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "router/coordinator/placement.h"

namespace sextant {

// The holders of each expert by its id, [E]: the first one as PlanPlacement has it, then copies.
// Rows go to whichever holder suits the sender; bits do not depend on it.
using HolderLists = std::vector<std::vector<std::string>>;

// Rows of each expert per second, [E]; or anything in proportion to it.
using ExpertLoads = std::vector<double>;

struct LoadBalanceArgs {
  std::vector<std::string> workers;  // at least one, none twice, any order
  ExpertHolders current;             // [E], every holder among `workers`
  ExpertLoads loads;                 // [E], none negative
  // A worker may hold so many experts more than an even share, rounded up.
  int spare_slots = 0;
  // A step that evens out less than this share of the mean load is not worth an expert's move.
  double least_gain = 0.02;
};

// Moves an expert of the busiest worker to one of the others, or exchanges two, again and again,
// each time what makes the busiest of both least busy for the moves that it takes; until nothing is
// gained. Without any load, `current`.
[[nodiscard]] ExpertHolders BalanceLoad(const LoadBalanceArgs& args);

// The load of the busiest worker over the mean of all: 1 is even. 1 without any load.
[[nodiscard]] double Imbalance(const std::vector<std::string>& workers,
                               const ExpertHolders& holders, const ExpertLoads& loads);

struct ReplicaArgs {
  std::vector<std::string> workers;
  ExpertHolders holders;   // [E], as planned
  HolderLists previous{};  // [E] or empty: copies that are there stay where that is right
  ExpertLoads loads{};     // [E] or empty: all equal
  int replicas = 0;        // so many experts, the hottest, have a second holder
};

// `holders` with copies of the hottest experts, each with the least busy worker that has not got
// its share of copies yet. An expert that has a copy keeps it while it has half the load of the
// coldest of those that were to have one. With one worker there are none.
[[nodiscard]] HolderLists AddReplicas(const ReplicaArgs& args);

// The first holder of each expert; empty where there is none.
[[nodiscard]] ExpertHolders FirstOf(const HolderLists& holders);

// All experts of a worker, copies included, ascending.
[[nodiscard]] std::vector<std::int32_t> ExpertsOf(const HolderLists& holders,
                                                  const std::string& worker);

// How many pairs of an expert and a holder `after` has that `before` has not.
[[nodiscard]] int CountMoves(const HolderLists& before, const HolderLists& after);
// Experts that are held, each as often as it has holders.
[[nodiscard]] int CountHeld(const HolderLists& holders);

}  // namespace sextant
