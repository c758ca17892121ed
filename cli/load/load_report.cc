#include "cli/load/load_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sextant::cli {
namespace {

std::string LoopText(const LoadOptions& options) {
  return options.rate.has_value() ? absl::StrFormat("open loop, %g requests/s", *options.rate)
                                  : absl::StrCat("closed loop, concurrency ", options.concurrency);
}

std::string Row(const char* name, const Percentiles& values) {
  return absl::StrFormat("  %-12s %9.1f %9.1f %9.1f %9.1f %9.1f\n", name, values.mean * 1e3,
                         values.p50 * 1e3, values.p95 * 1e3, values.p99 * 1e3, values.max * 1e3);
}

nlohmann::json AsJson(const Percentiles& values) {
  return {{"count", values.count}, {"mean", values.mean}, {"p50", values.p50},
          {"p95", values.p95},     {"p99", values.p99},   {"max", values.max}};
}

}  // namespace

Percentiles PercentilesOf(std::vector<absl::Duration> values) {
  Percentiles result;
  if (values.empty()) return result;
  std::sort(values.begin(), values.end());
  const auto count = static_cast<double>(values.size());
  const auto at = [&](double share) {
    const auto rank = static_cast<std::size_t>(std::ceil(share * count));
    return absl::ToDoubleSeconds(values[std::max<std::size_t>(rank, 1) - 1]);
  };
  absl::Duration sum;
  for (const absl::Duration value : values) sum += value;
  result.count = static_cast<std::int64_t>(values.size());
  result.mean = absl::ToDoubleSeconds(sum) / count;
  result.p50 = at(0.50);
  result.p95 = at(0.95);
  result.p99 = at(0.99);
  result.max = absl::ToDoubleSeconds(values.back());
  return result;
}

LoadReport Summarize(const LoadResult& result) {
  LoadReport report;
  std::vector<absl::Duration> first;
  std::vector<absl::Duration> between;
  std::vector<absl::Duration> whole;
  for (const RequestTimes& times : result.requests) {
    ++report.requests;
    report.tokens += static_cast<std::int64_t>(times.tokens.size());
    if (!times.status.ok()) {
      ++report.errors[absl::StatusCodeToString(times.status.code())];
      continue;
    }
    ++report.succeeded;
    whole.push_back(times.end - times.start);
    if (!times.tokens.empty()) first.push_back(times.tokens.front() - times.start);
    for (std::size_t i = 1; i < times.tokens.size(); ++i) {
      between.push_back(times.tokens[i] - times.tokens[i - 1]);
    }
  }
  report.wall_s = absl::ToDoubleSeconds(result.wall);
  if (report.wall_s > 0) {
    report.tokens_per_second = static_cast<double>(report.tokens) / report.wall_s;
    report.requests_per_second = static_cast<double>(report.succeeded) / report.wall_s;
  }
  report.first_token = PercentilesOf(std::move(first));
  report.inter_token = PercentilesOf(std::move(between));
  report.end_to_end = PercentilesOf(std::move(whole));
  return report;
}

std::string LoadAsText(const LoadOptions& options, const LoadReport& report) {
  std::string text = absl::StrFormat(
      "%s: %d requests of %d prompt and %d output tokens, seed %d\n"
      "  %d succeeded in %.2f s: %.2f tokens/s, %.2f requests/s\n",
      LoopText(options), report.requests, options.prompt_tokens, options.max_tokens, options.seed,
      report.succeeded, report.wall_s, report.tokens_per_second, report.requests_per_second);
  for (const auto& [code, count] : report.errors) {
    absl::StrAppendFormat(&text, "  %d ended with %s\n", count, code);
  }
  absl::StrAppendFormat(&text, "\n  %-12s %9s %9s %9s %9s %9s\n", "ms", "mean", "p50", "p95", "p99",
                        "max");
  absl::StrAppend(&text, Row("first token", report.first_token),
                  Row("inter-token", report.inter_token), Row("end to end", report.end_to_end));
  return text;
}

std::string LoadAsJson(const LoadOptions& options, const LoadReport& report) {
  nlohmann::json object = {{"requests", report.requests},
                           {"succeeded", report.succeeded},
                           {"errors", report.errors},
                           {"prompt_tokens", options.prompt_tokens},
                           {"max_tokens", options.max_tokens},
                           {"seed", options.seed},
                           {"tokens", report.tokens},
                           {"wall_seconds", report.wall_s},
                           {"tokens_per_second", report.tokens_per_second},
                           {"requests_per_second", report.requests_per_second},
                           {"first_token_seconds", AsJson(report.first_token)},
                           {"inter_token_seconds", AsJson(report.inter_token)},
                           {"end_to_end_seconds", AsJson(report.end_to_end)}};
  if (options.rate.has_value()) {
    object["rate"] = *options.rate;
  } else {
    object["concurrency"] = options.concurrency;
  }
  return object.dump(2) + "\n";
}

}  // namespace sextant::cli
