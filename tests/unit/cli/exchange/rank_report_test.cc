#include "cli/exchange/rank_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace sextant::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

CaseOfRank Measured() {
  CaseOfRank measured{.of = {.form = RankStepForm::kExact, .rows = 512},
                      .dispatch = {.sent = 1, .received = 2, .kept = 3},
                      .combine = {.sent = 4, .received = 5, .kept = 6},
                      .ways = {}};
  measured.ways[1] = {.dispatch_s = {1e-7, 0.1}, .combine_s = {3}, .layer_s = {1.0 / 3}};
  return measured;
}

TEST(RankReportTest, WhatIsWrittenIsRead) {
  const TempDir folder;
  const std::string path = folder.File("report");
  ASSERT_TRUE(WriteRankReport(path, RankReport{.gpu = "H \"200\"", .cases = {Measured()}}).ok());
  const auto read = ReadRankReport(path);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->gpu, "H \"200\"");
  ASSERT_THAT(read->cases, SizeIs(1));
  const CaseOfRank& measured = read->cases.front();
  EXPECT_EQ(measured.of, Measured().of);
  EXPECT_EQ(measured.dispatch, Measured().dispatch);
  EXPECT_EQ(measured.combine, Measured().combine);
  EXPECT_THAT(measured.ways[0].layer_s, SizeIs(0));
  EXPECT_THAT(measured.ways[1].dispatch_s, ElementsAre(1e-7, 0.1));
  EXPECT_THAT(measured.ways[1].combine_s, ElementsAre(3));
  EXPECT_THAT(measured.ways[1].layer_s, ElementsAre(1.0 / 3));
}

TEST(RankReportTest, AnErrorIsReadAsThatError) {
  const absl::Status error = absl::NotFoundError("no \xff GPU");
  const auto read = ParseRankReport(RankReportAsJson(error));
  EXPECT_EQ(read.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(read.status().message()), HasSubstr("GPU"));
}

TEST(RankReportTest, WhatIsNoReportIsRefused) {
  for (const char* text : {"", "{", "[]", "{}", R"({"gpu":1,"cases":[]})",
                           R"({"gpu":"H","cases":[{"slots":true}]})"}) {
    EXPECT_EQ(ParseRankReport(text).status().code(), absl::StatusCode::kInternal) << text;
  }
  EXPECT_EQ(ReadRankReport("/nowhere/report").status().code(), absl::StatusCode::kInternal);
}

TEST(RankReportTest, AReportThatCannotBeWrittenIsAnError) {
  EXPECT_EQ(WriteRankReport("/nowhere/report", RankReport()).code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace sextant::cli
