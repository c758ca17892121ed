#include "cli/exchange/bench_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sextant::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(BenchLayoutTest, ColocatedRanksShareTheExpertsEvenly) {
  const auto layout = MakeBenchLayout(8, {.ranks = 3});
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_THAT(layout->attention_ranks(), ElementsAre(0, 1, 2));
  EXPECT_THAT(layout->role(0).experts, ElementsAre(0, 1));
  EXPECT_THAT(layout->role(1).experts, ElementsAre(2, 3, 4));
  EXPECT_THAT(layout->role(2).experts, ElementsAre(5, 6, 7));
}

TEST(BenchLayoutTest, ApartTheFirstOnesAttendAndTheOthersHoldExperts) {
  const auto layout = MakeBenchLayout(4, {.apart = true, .ranks = 3, .attention = 1});
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_THAT(layout->attention_ranks(), ElementsAre(0));
  EXPECT_THAT(layout->expert_ranks(), ElementsAre(1, 2));
  EXPECT_THAT(layout->role(0).experts, IsEmpty());
  EXPECT_THAT(layout->role(2).experts, ElementsAre(2, 3));
}

TEST(BenchLayoutTest, MoreHoldersThanExpertsAreRefused) {
  EXPECT_EQ(MakeBenchLayout(2, {.ranks = 3}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MakeBenchLayout(2, {.apart = true, .ranks = 2, .attention = 2}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sextant::cli
