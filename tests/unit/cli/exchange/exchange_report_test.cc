#include "cli/exchange/exchange_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/v2_lite.h"

namespace sextant::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

BenchedExchange Benched() {
  CaseSummary decode{.of = {.form = RankStepForm::kSlots, .rows = 32},
                     .dispatch_bytes = 1000000,
                     .combine_bytes = 3000000,
                     .ways = {}};
  decode.ways[0] = {.dispatch = {15e-6, 17e-6}, .combine = {25e-6, 28e-6}, .layer = {40e-6, 44e-6}};
  decode.ways[1] = {.dispatch = {10e-6, 11e-6}, .combine = {20e-6, 21e-6}, .layer = {30e-6, 33e-6}};
  decode.ways[2] = {.dispatch = {12e-6, 13e-6}, .combine = {22e-6, 23e-6}, .layer = {36e-6, 38e-6}};
  CaseSummary prefill = decode;
  prefill.of = {.form = RankStepForm::kExact, .rows = 512};
  return {.model_dir = "models/v2-lite",
          .model = V2LiteConfig(),
          .ranks = {.apart = true, .ranks = 3, .attention = 1},
          .gpus = {"H", "H", "H"},
          .layers = 8,
          .rounds = 20,
          .cases = {decode, prefill}};
}

TEST(ExchangeReportTest, ALineHasTimesBytesAndSharesOfACase) {
  const std::string text = ExchangeAsText(Benched());
  EXPECT_THAT(text, HasSubstr("rows of 2048 values, 6 of 64 experts each"));
  EXPECT_THAT(text, HasSubstr("3 ranks, 1 for attention and 2 for experts; on 3 x H\n"));
  EXPECT_THAT(text,
              HasSubstr("\ndecode 32          15.0 /     17.0     25.0 /     28.0     40.0 / "
                        "    44.0     4.000   100.00        30.0    75%        36.0    90%\n"));
  EXPECT_THAT(text, HasSubstr("\nprefill 512 "));
  EXPECT_THAT(text, Not(HasSubstr("sockets")));
}

TEST(ExchangeReportTest, RanksThatShareACardAreSaidToSaySomethingElse) {
  BenchedExchange benched = Benched();
  benched.share_gpus = true;
  EXPECT_THAT(ExchangeAsText(benched), HasSubstr("ranks share a GPU: messages between them go over "
                                                 "sockets"));
  EXPECT_EQ(nlohmann::json::parse(ExchangeAsJson(benched))["share_gpus"], true);
}

TEST(ExchangeReportTest, JsonHasTheSameNumbers) {
  const nlohmann::json object = nlohmann::json::parse(ExchangeAsJson(Benched()));
  EXPECT_EQ(object["form"], "apart");
  EXPECT_EQ(object["ranks"], 3);
  EXPECT_EQ(object["attention_ranks"], 1);
  ASSERT_EQ(object["cases"].size(), 2U);
  const nlohmann::json& decode = object["cases"][0];
  EXPECT_EQ(decode["phase"], "decode");
  EXPECT_EQ(decode["rows"], 32);
  EXPECT_EQ(decode["dispatch_bytes"], 1000000);
  EXPECT_DOUBLE_EQ(decode["exchange"]["combine"]["p95_s"], 28e-6);
  EXPECT_DOUBLE_EQ(decode["send_recv"]["layer"]["p50_s"], 30e-6);
  EXPECT_DOUBLE_EQ(decode["exchange"]["bytes_per_s"], 1e11);
  EXPECT_DOUBLE_EQ(decode["share_of_send_recv"], 0.75);
  EXPECT_DOUBLE_EQ(decode["share_of_all_to_all"], 0.9);
  EXPECT_EQ(object["cases"][1]["phase"], "prefill");
}

}  // namespace
}  // namespace sextant::cli
