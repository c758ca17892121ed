#include "cli/exchange/exchange_case.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sextant::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ExchangeCase Decode(std::int64_t rows) { return {.form = RankStepForm::kSlots, .rows = rows}; }
ExchangeCase Prefill(std::int64_t rows) { return {.form = RankStepForm::kExact, .rows = rows}; }

TEST(ExchangeCaseTest, DecodeStepsHaveTheSizesOfGraphsEachOnce) {
  EXPECT_THAT(CasesOf({32, 5, 8, 1}, {}), ElementsAre(Decode(1), Decode(8), Decode(32)));
  EXPECT_THAT(CasesOf({5}, {}), ElementsAre(Decode(5)));  // a step is never larger than the largest
}

TEST(ExchangeCaseTest, PrefillStepsAreAsTheyWereAskedFor) {
  EXPECT_THAT(CasesOf({1}, {21, 5, 21}), ElementsAre(Decode(1), Prefill(5), Prefill(21)));
  EXPECT_THAT(CasesOf({}, {}), IsEmpty());
}

TEST(ExchangeCaseTest, ACaseHasAName) {
  EXPECT_EQ(NameOf(Decode(32)), "decode 32");
  EXPECT_EQ(NameOf(Prefill(512)), "prefill 512");
}

}  // namespace
}  // namespace sextant::cli
