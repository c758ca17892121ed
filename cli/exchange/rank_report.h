// What one rank's process has measured, as a file for the process that started it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/exchange/exchange_case.h"

namespace sextant::cli {

struct RankReport {
  std::string gpu;  // its name
  std::vector<CaseOfRank> cases;
};

// One object; of an error its code and its message.
[[nodiscard]] std::string RankReportAsJson(const absl::StatusOr<RankReport>& report);

// What was written: also an error that was. Errors: Internal for anything else.
[[nodiscard]] absl::StatusOr<RankReport> ParseRankReport(absl::string_view json);

// Errors: Unavailable with the system's reason.
[[nodiscard]] absl::Status WriteRankReport(const std::string& path,
                                           const absl::StatusOr<RankReport>& report);

// Errors: Internal where there is none; those of ParseRankReport.
[[nodiscard]] absl::StatusOr<RankReport> ReadRankReport(const std::string& path);

}  // namespace sextant::cli
