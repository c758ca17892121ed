// The ranks of a bench as processes, one for each: NCCL wants it so, and a rank that waits for ever
// for another one can be ended.
//
// Rank 0 is started first. It makes the id of their communicator and says it, in hexadecimal, as
// "ready rank ID" on standard output; the others are given it. Each leaves a report in a file.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/exchange/rank_report.h"
#include "cli/supervisor/child_runner.h"

namespace sextant::cli {

// Flags of a rank's process, beside those of the bench.
inline constexpr const char* kRankFlag = "--rank";
inline constexpr const char* kIdFlag = "--communicator-id";
inline constexpr const char* kReportFlag = "--rank-report";

struct RankCommand {
  std::vector<std::string> arguments;  // the program first
  int ranks = 0;
  std::string folder;  // for the reports
};

// Returns what they have measured, by rank, when all have ended; at the first that ends badly, its
// error: the others are the caller's to end, with `runner`.
// Errors: those of a rank, named; Internal for one that left no report; Cancelled when interrupted.
[[nodiscard]] absl::StatusOr<std::vector<RankReport>> RunRanks(ChildRunner& runner,
                                                               const RankCommand& command);

}  // namespace sextant::cli
