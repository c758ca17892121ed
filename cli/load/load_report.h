// What a load run came to.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/load/load_run.h"

namespace sextant::cli {

// In seconds; zeros when there is nothing to sum up.
struct Percentiles {
  std::int64_t count = 0;
  double mean = 0;
  double p50 = 0;
  double p95 = 0;
  double p99 = 0;
  double max = 0;
};

// The smallest value that at least the share of all values does not exceed ("nearest rank").
[[nodiscard]] Percentiles PercentilesOf(std::vector<absl::Duration> values);

struct LoadReport {
  std::int64_t requests = 0;
  std::int64_t succeeded = 0;
  std::map<std::string, std::int64_t> errors;  // by the code's name
  std::int64_t tokens = 0;                     // of all answers, also unfinished ones
  double wall_s = 0;
  double tokens_per_second = 0;
  double requests_per_second = 0;  // that succeeded
  // Of requests that succeeded. Tokens that came in one message have no time between them.
  Percentiles first_token;
  Percentiles inter_token;
  Percentiles end_to_end;
};

[[nodiscard]] LoadReport Summarize(const LoadResult& result);

// A table for people.
[[nodiscard]] std::string LoadAsText(const LoadOptions& options, const LoadReport& report);

// One object; times in seconds.
[[nodiscard]] std::string LoadAsJson(const LoadOptions& options, const LoadReport& report);

}  // namespace sextant::cli
