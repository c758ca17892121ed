// What attention ranks and the conductor of an epoch say to each other about steps.
//
// A step is named by its epoch and its number in it, so that nobody mistakes a message that comes
// late, or twice, for another one.
#pragma once

#include <cstdint>
#include <vector>

#include "common/exchange/ranks/rank_step.h"

namespace sextant {

// From an attention rank: what it has for its next step.
struct StepOffer {
  std::uint64_t epoch = 0;
  std::uint64_t step = 0;
  int attention = 0;      // which of the attention ranks, in [0, A)
  std::int64_t rows = 0;  // 0: nothing so far; a second offer for the step may follow
  bool exact = false;     // the rows need the exact form

  friend bool operator==(const StepOffer&, const StepOffer&) = default;
};

// To all ranks: take this step.
struct StepCall {
  std::uint64_t epoch = 0;
  RankStep step;
  // [A]: with how many rows. 0 for a rank whose second offer came too late.
  std::vector<std::int64_t> rows;

  friend bool operator==(const StepCall&, const StepCall&) = default;
};

// To all ranks: no step follows this one in this epoch; once it is done, on to the next epoch.
struct LastStep {
  std::uint64_t epoch = 0;
  std::uint64_t step = 0;  // 0: there was none
  std::uint64_t next = 0;  // the epoch that follows

  friend bool operator==(const LastStep&, const LastStep&) = default;
};

}  // namespace sextant
