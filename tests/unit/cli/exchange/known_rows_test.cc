#include "cli/exchange/known_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/cli/exchange/measured_ranks.h"

namespace sextant::cli {
namespace {

using ::testing::Each;
using ::testing::SizeIs;

constexpr std::int64_t kRows = 2000;

TEST(KnownRowsTest, ARowChoosesDifferentExpertsAndAllAreChosenEquallyOften) {
  const std::vector<std::int32_t> ids = KnownRows(BenchedModel(), 3).ExpertIds(1, kRows);
  ASSERT_THAT(ids, SizeIs(kRows * 3));
  std::vector<int> chosen(10);
  for (std::size_t row = 0; row < kRows; ++row) {
    std::set<std::int32_t> of_row(ids.begin() + static_cast<std::ptrdiff_t>(row * 3),
                                  ids.begin() + static_cast<std::ptrdiff_t>(row * 3 + 3));
    ASSERT_THAT(of_row, SizeIs(3));
    for (const std::int32_t id : of_row) ++chosen.at(static_cast<std::size_t>(id));
  }
  // 600 of a binomial distribution, whose deviation is 20.5: five of these.
  EXPECT_THAT(chosen, Each(testing::AllOf(testing::Gt(497), testing::Lt(703))));
}

TEST(KnownRowsTest, WhatARowIsDoesNotDependOnHowManyThereAre) {
  const KnownRows known(BenchedModel(), 3);
  const std::vector<Bf16> few = known.Rows(0, 2);
  const std::vector<Bf16> many = known.Rows(0, 5);
  EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin()));
  const std::vector<std::int32_t> ids = known.ExpertIds(0, 5);
  const std::vector<std::int32_t> fewer = known.ExpertIds(0, 2);
  EXPECT_TRUE(std::equal(fewer.begin(), fewer.end(), ids.begin()));
}

TEST(KnownRowsTest, RowsOutputsRanksAndSeedsAreAllDifferent) {
  const KnownRows known(BenchedModel(), 3);
  const std::vector<Bf16> one = known.Rows(0, 2);
  const std::vector<Bf16> first(one.begin(), one.begin() + 72);
  const std::vector<Bf16> second(one.begin() + 72, one.end());
  EXPECT_FALSE(first == second);
  EXPECT_FALSE(first == known.Rows(1, 1));
  EXPECT_FALSE(first == KnownRows(BenchedModel(), 4).Rows(0, 1));
  EXPECT_FALSE(first == known.Outputs({0}));
  EXPECT_FALSE(known.Outputs({0}) == known.Outputs({1}));
  EXPECT_TRUE(known.Outputs({4}) == KnownRows(BenchedModel(), 3).Outputs({4}));
}

}  // namespace
}  // namespace sextant::cli
