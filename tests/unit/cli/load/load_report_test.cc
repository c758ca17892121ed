#include "cli/load/load_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sextant::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

absl::Duration Ms(int ms) { return absl::Milliseconds(ms); }

TEST(PercentilesTest, TakesTheNearestRank) {
  std::vector<absl::Duration> values;
  for (int i = 100; i >= 1; --i) values.push_back(absl::Seconds(i));
  const Percentiles result = PercentilesOf(values);
  EXPECT_EQ(result.count, 100);
  EXPECT_DOUBLE_EQ(result.mean, 50.5);
  EXPECT_DOUBLE_EQ(result.p50, 50);
  EXPECT_DOUBLE_EQ(result.p95, 95);
  EXPECT_DOUBLE_EQ(result.p99, 99);
  EXPECT_DOUBLE_EQ(result.max, 100);
}

TEST(PercentilesTest, OneValueIsEveryPercentileAndNoneIsZero) {
  EXPECT_DOUBLE_EQ(PercentilesOf({absl::Seconds(3)}).p50, 3);
  EXPECT_DOUBLE_EQ(PercentilesOf({absl::Seconds(3)}).p99, 3);
  EXPECT_EQ(PercentilesOf({}).count, 0);
}

LoadResult TwoRequests() {
  LoadResult result;
  result.requests.push_back(
      {.start = Ms(100), .end = Ms(600), .tokens = {Ms(300), Ms(300), Ms(500)}});
  result.requests.push_back({.start = Ms(0),
                             .end = Ms(1000),
                             .tokens = {Ms(900)},
                             .status = absl::UnavailableError("gone")});
  result.wall = absl::Seconds(2);
  return result;
}

TEST(LoadReportTest, TimesAreOfRequestsThatSucceeded) {
  const LoadReport report = Summarize(TwoRequests());
  EXPECT_EQ(report.requests, 2);
  EXPECT_EQ(report.succeeded, 1);
  EXPECT_THAT(report.errors, ElementsAre(Pair("UNAVAILABLE", 1)));
  EXPECT_EQ(report.tokens, 4);
  EXPECT_DOUBLE_EQ(report.tokens_per_second, 2);
  EXPECT_DOUBLE_EQ(report.first_token.p50, 0.2);
  EXPECT_EQ(report.inter_token.count, 2);
  EXPECT_DOUBLE_EQ(report.inter_token.max, 0.2);
  EXPECT_DOUBLE_EQ(report.end_to_end.p50, 0.5);
}

TEST(LoadReportTest, TextAndJsonSayTheSame) {
  const LoadOptions options = {
      .requests = 2, .concurrency = 2, .prompt_tokens = 5, .max_tokens = 3, .seed = 9};
  const LoadReport report = Summarize(TwoRequests());
  const std::string text = LoadAsText(options, report);
  EXPECT_THAT(text, HasSubstr("closed loop, concurrency 2: 2 requests of 5 prompt and 3 output"));
  EXPECT_THAT(text, HasSubstr("1 ended with UNAVAILABLE"));
  EXPECT_THAT(text, HasSubstr("first token      200.0"));
  const auto json = nlohmann::json::parse(LoadAsJson(options, report));
  EXPECT_EQ(json.at("succeeded"), 1);
  EXPECT_EQ(json.at("errors").at("UNAVAILABLE"), 1);
  EXPECT_EQ(json.at("first_token_seconds").at("p99"), 0.2);
  EXPECT_EQ(json.at("concurrency"), 2);
}

}  // namespace
}  // namespace sextant::cli
