// What tests of placements ask about them.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "router/coordinator/placement.h"

namespace sextant {

// w0, w1, ...
inline std::vector<std::string> Workers(int count) {
  std::vector<std::string> workers;
  for (int i = 0; i < count; ++i) workers.push_back(absl::StrCat("w", i));
  return workers;
}

// How many experts have another holder in `after` than in `before`, of the same experts.
inline int Moves(const ExpertHolders& before, const ExpertHolders& after) {
  int moves = 0;
  for (std::size_t expert = 0; expert < after.size(); ++expert) {
    if (before.at(expert) != after[expert]) ++moves;
  }
  return moves;
}

}  // namespace sextant
