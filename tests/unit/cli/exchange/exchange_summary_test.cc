#include "cli/exchange/exchange_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sextant::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// A case in which each way has these times; the exchange's are as given.
CaseOfRank Measured(std::vector<double> layer_s, double plain_s, double all_to_all_s) {
  const std::size_t rounds = layer_s.size();
  CaseOfRank measured{.of = {.form = RankStepForm::kSlots, .rows = 8},
                      .dispatch = {.sent = 100, .received = 300, .kept = 5000},
                      .combine = {.sent = 700, .received = 600, .kept = 5000},
                      .ways = {}};
  measured.ways[0] = {.dispatch_s = layer_s, .combine_s = layer_s, .layer_s = layer_s};
  measured.ways[1].layer_s.assign(rounds, plain_s);
  measured.ways[2].layer_s.assign(rounds, all_to_all_s);
  return measured;
}

CaseOfRank WithoutTimes() {
  CaseOfRank measured = Measured({}, 0, 0);
  measured.dispatch = {.sent = 0, .received = 900, .kept = 0};
  return measured;
}

TEST(ExchangeSummaryTest, APercentileIsTheNearestRank) {
  std::vector<double> seconds;
  for (int i = 20; i >= 1; --i) seconds.push_back(i);
  EXPECT_DOUBLE_EQ(SpreadOf(seconds).p50, 10);
  EXPECT_DOUBLE_EQ(SpreadOf(seconds).p95, 19);
  EXPECT_DOUBLE_EQ(SpreadOf({4}).p50, 4);
  EXPECT_DOUBLE_EQ(SpreadOf({4}).p95, 4);
  EXPECT_DOUBLE_EQ(SpreadOf({}).p95, 0);
}

TEST(ExchangeSummaryTest, ALayerTakesAsLongAsAtTheSlowestRankEachTime) {
  const auto summary =
      Summarize({{Measured({1, 8, 3}, 2, 5)}, {Measured({6, 2, 4}, 3, 4)}, {WithoutTimes()}});
  ASSERT_TRUE(summary.ok()) << summary.status();
  ASSERT_THAT(*summary, SizeIs(1));
  const CaseSummary& of = summary->front();
  EXPECT_DOUBLE_EQ(of.way(Way::kExchange).layer.p50, 6);  // of 6, 8, 4
  EXPECT_DOUBLE_EQ(of.way(Way::kExchange).layer.p95, 8);
  EXPECT_DOUBLE_EQ(of.way(Way::kExchange).dispatch.p50, 6);
  EXPECT_DOUBLE_EQ(of.way(Way::kPlain).layer.p50, 3);
  EXPECT_DOUBLE_EQ(of.way(Way::kAllToAll).layer.p50, 5);
}

TEST(ExchangeSummaryTest, BytesAreThoseOfTheBusiestRankAndSharesAreOfALayersTime) {
  const auto summary = Summarize({{Measured({4}, 2, 5)}, {Measured({3}, 1, 1)}, {WithoutTimes()}});
  ASSERT_TRUE(summary.ok()) << summary.status();
  const CaseSummary& of = summary->front();
  EXPECT_EQ(of.dispatch_bytes, 900);
  EXPECT_EQ(of.combine_bytes, 700);
  EXPECT_DOUBLE_EQ(of.bytes_per_s(Way::kExchange), 1600 / 4.0);
  EXPECT_DOUBLE_EQ(of.bytes_per_s(Way::kPlain), 1600 / 2.0);
  EXPECT_DOUBLE_EQ(of.share(Way::kPlain), 0.5);
  EXPECT_DOUBLE_EQ(of.share(Way::kAllToAll), 1.25);
}

TEST(ExchangeSummaryTest, RanksThatMeasuredSomethingElseAreAnError) {
  CaseOfRank other = Measured({1, 2}, 1, 1);
  other.of.rows = 16;
  for (const std::vector<std::vector<CaseOfRank>>& ranks :
       {std::vector<std::vector<CaseOfRank>>{{Measured({1, 2}, 1, 1)}, {other}},
        {{Measured({1, 2}, 1, 1)}, {Measured({1}, 1, 1)}},
        {{Measured({1, 2}, 1, 1)}, {}},
        {{WithoutTimes()}, {WithoutTimes()}}}) {
    EXPECT_EQ(Summarize(ranks).status().code(), absl::StatusCode::kInternal);
  }
  EXPECT_THAT(std::string(Summarize({{Measured({1}, 1, 1)}, {other}}).status().message()),
              HasSubstr("rank 1"));
}

}  // namespace
}  // namespace sextant::cli
