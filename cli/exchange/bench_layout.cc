#include "cli/exchange/bench_layout.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sextant::cli {

absl::StatusOr<RankLayout> MakeBenchLayout(std::int64_t experts, const BenchRanks& ranks) {
  const int first_holder = ranks.apart ? ranks.attention : 0;
  const std::int64_t holders = ranks.ranks - first_holder;
  if (holders < 1 || experts < holders) {
    return absl::InvalidArgumentError(
        absl::StrCat(holders, " ranks for the ", experts, " experts of the model"));
  }
  std::vector<RankRole> roles(static_cast<std::size_t>(ranks.ranks));
  for (int rank = 0; rank < ranks.ranks; ++rank) {
    RankRole& role = roles[static_cast<std::size_t>(rank)];
    role.attends = !ranks.apart || rank < ranks.attention;
    if (rank < first_holder) continue;
    const std::int64_t holder = rank - first_holder;
    for (std::int64_t expert = experts * holder / holders;
         expert < experts * (holder + 1) / holders; ++expert) {
      role.experts.push_back(static_cast<std::int32_t>(expert));
    }
  }
  return RankLayout::Make(static_cast<std::int32_t>(experts), std::move(roles));
}

}  // namespace sextant::cli
