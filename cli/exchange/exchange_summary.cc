#include "cli/exchange/exchange_summary.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

double Percentile(const std::vector<double>& sorted, double share) {
  const auto nearest = static_cast<std::size_t>(
      std::max(1.0, std::ceil(share * static_cast<double>(sorted.size()))));
  return sorted[nearest - 1];
}

// Raises `slowest` to `times`, value by value; false where there are not as many.
bool Raise(const std::vector<double>& times, std::vector<double>& slowest) {
  if (slowest.empty()) slowest.resize(times.size());
  if (slowest.size() != times.size()) return false;
  std::transform(times.begin(), times.end(), slowest.begin(), slowest.begin(),
                 [](double a, double b) { return std::max(a, b); });
  return true;
}

std::int64_t Busier(const GroupBytes& bytes) { return std::max(bytes.sent, bytes.received); }

absl::StatusOr<CaseSummary> SummarizeCase(const std::vector<std::vector<CaseOfRank>>& ranks,
                                          std::size_t index) {
  CaseSummary summary{.of = ranks.front()[index].of, .ways = {}};
  std::array<WayTimes, kWays> slowest;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    const CaseOfRank& measured = ranks[rank][index];
    bool same = measured.of == summary.of;
    summary.dispatch_bytes = std::max(summary.dispatch_bytes, Busier(measured.dispatch));
    summary.combine_bytes = std::max(summary.combine_bytes, Busier(measured.combine));
    for (std::size_t way = 0; way < slowest.size(); ++way) {
      const WayTimes& times = measured.ways[way];
      if (times.layer_s.empty()) continue;  // it does not attend
      same = same && Raise(times.dispatch_s, slowest[way].dispatch_s) &&
             Raise(times.combine_s, slowest[way].combine_s) &&
             Raise(times.layer_s, slowest[way].layer_s);
    }
    if (!same) {
      return absl::InternalError(
          absl::StrCat("rank ", rank, " has measured something else than rank 0"));
    }
  }
  for (std::size_t way = 0; way < slowest.size(); ++way) {
    WayTimes& times = slowest[way];
    if (times.layer_s.empty()) return absl::InternalError("no rank has measured a time");
    summary.ways[way] = {.dispatch = SpreadOf(std::move(times.dispatch_s)),
                         .combine = SpreadOf(std::move(times.combine_s)),
                         .layer = SpreadOf(std::move(times.layer_s))};
  }
  return summary;
}

}  // namespace

Spread SpreadOf(std::vector<double> seconds) {
  if (seconds.empty()) return {};
  std::sort(seconds.begin(), seconds.end());
  return {.p50 = Percentile(seconds, 0.5), .p95 = Percentile(seconds, 0.95)};
}

absl::StatusOr<std::vector<CaseSummary>> Summarize(
    const std::vector<std::vector<CaseOfRank>>& ranks) {
  std::vector<CaseSummary> summaries;
  for (const std::vector<CaseOfRank>& rank : ranks) {
    if (rank.size() != ranks.front().size()) {
      return absl::InternalError("the ranks have measured different numbers of cases");
    }
  }
  for (std::size_t index = 0; !ranks.empty() && index < ranks.front().size(); ++index) {
    ASSIGN_OR_RETURN(CaseSummary summary, SummarizeCase(ranks, index));
    summaries.push_back(summary);
  }
  return summaries;
}

}  // namespace sextant::cli
