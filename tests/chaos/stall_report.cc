#include "tests/chaos/stall_report.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sextant::chaos {
namespace {

// Tokens still come for so long after their worker has gone.
constexpr absl::Duration kOnItsWay = absl::Milliseconds(50);

}  // namespace

std::map<std::string, StallsOfKind> SortStalls(const std::vector<DisturbanceTime>& disturbances,
                                               const std::vector<Gap>& gaps,
                                               absl::Duration within) {
  std::vector<absl::Duration> longest(disturbances.size());
  std::map<std::string, StallsOfKind> stalls;
  absl::Duration of_none;
  for (const Gap& gap : gaps) {
    absl::Duration* counted = &of_none;
    for (std::size_t i = 0; i < disturbances.size() && disturbances[i].at < gap.end; ++i) {
      if (gap.begin > disturbances[i].at + within) continue;
      counted = &longest[i];
      if (gap.begin <= disturbances[i].at + kOnItsWay) break;
    }
    *counted = std::max(*counted, gap.end - gap.begin);
  }
  for (std::size_t i = 0; i < disturbances.size(); ++i) {
    StallsOfKind& kind = stalls[disturbances[i].name];
    ++kind.disturbances;
    kind.longest.push_back(longest[i]);
  }
  if (of_none > absl::ZeroDuration()) stalls[""].longest.push_back(of_none);
  for (auto& [name, kind] : stalls) std::sort(kind.longest.begin(), kind.longest.end());
  return stalls;
}

std::string StallTable(const std::map<std::string, StallsOfKind>& stalls) {
  std::string table =
      absl::StrFormat("  %-26s %6s %12s %12s\n", "longest stall, ms", "times", "median", "longest");
  for (const auto& [name, kind] : stalls) {
    absl::StrAppend(
        &table, absl::StrFormat("  %-26s %6d %12.0f %12.0f\n",
                                name.empty() ? "(between disturbances)" : name, kind.disturbances,
                                absl::ToDoubleMilliseconds(kind.longest[kind.longest.size() / 2]),
                                absl::ToDoubleMilliseconds(kind.longest.back())));
  }
  return table;
}

}  // namespace sextant::chaos
