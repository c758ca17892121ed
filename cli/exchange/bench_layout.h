// The ranks of `sextant bench exchange`.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "common/exchange/ranks/rank_layout.h"

namespace sextant::cli {

struct BenchRanks {
  bool apart = false;  // those that attend hold no experts
  int ranks = 0;       // in all
  int attention = 0;   // of them, where they are apart: the first ones
};

// Experts are dealt evenly, in order: two ranks that hold any differ by one at most.
// Errors: InvalidArgument for fewer experts than ranks to hold them, or nobody who does.
[[nodiscard]] absl::StatusOr<RankLayout> MakeBenchLayout(std::int64_t experts,
                                                         const BenchRanks& ranks);

}  // namespace sextant::cli
