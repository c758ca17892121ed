// What the ranks of a bench have measured together.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/exchange/exchange_case.h"

namespace sextant::cli {

// Seconds; a percentile is the smallest value that as large a share of all does not exceed
// ("nearest rank").
struct Spread {
  double p50 = 0;
  double p95 = 0;
};
[[nodiscard]] Spread SpreadOf(std::vector<double> seconds);

// Of the slowest rank each time: a layer is over when it is over everywhere.
struct WaySummary {
  Spread dispatch;
  Spread combine;
  Spread layer;
};

struct CaseSummary {
  ExchangeCase of;
  // Of the rank that sends or receives most, in its busier direction; what stays at a rank is not
  // in it.
  std::int64_t dispatch_bytes = 0;
  std::int64_t combine_bytes = 0;
  std::array<WaySummary, kWays> ways;  // by Way

  [[nodiscard]] const WaySummary& way(Way which) const {
    return ways[static_cast<std::size_t>(which)];
  }
  // Of a layer, by its median.
  [[nodiscard]] double bytes_per_s(Way which) const {
    return static_cast<double>(dispatch_bytes + combine_bytes) / way(which).layer.p50;
  }
  // Of what that way would give, the share that the exchange reaches: the one's time of a layer
  // over the other's.
  [[nodiscard]] double share(Way of_way) const {
    return way(of_way).layer.p50 / way(Way::kExchange).layer.p50;
  }
};

// `ranks`: what each rank has measured. Errors: Internal where they have not measured the same
// cases equally often, or nobody has times.
[[nodiscard]] absl::StatusOr<std::vector<CaseSummary>> Summarize(
    const std::vector<std::vector<CaseOfRank>>& ranks);

}  // namespace sextant::cli
