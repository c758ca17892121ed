#include "cli/plan/cluster.h"

#include <gtest/gtest.h>

#include <string>

namespace sextant::cli {
namespace {

std::int64_t ExpertsOf(const std::vector<Rank>& ranks) {
  std::int64_t experts = 0;
  for (const Rank& rank : ranks) experts += rank.experts;
  return experts;
}

TEST(MakeRanks, OneHasEverything) {
  const std::vector<Rank> expected = {{.node = 0, .attention = true, .experts = 64}};
  EXPECT_EQ(MakeRanks({.form = Form::kOne, .experts = 64}), expected);
}

TEST(MakeRanks, ColocatedDealsExpertsEvenly) {
  const std::vector<Rank> ranks =
      MakeRanks({.form = Form::kColocated, .gpus = 6, .gpus_per_node = 4, .experts = 64});
  ASSERT_EQ(ranks.size(), 6U);
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    EXPECT_TRUE(ranks[i].attention);
    EXPECT_EQ(ranks[i].experts, i < 4 ? 11 : 10);  // 4 * 11 + 2 * 10
    EXPECT_EQ(ranks[i].node, i < 4 ? 0 : 1);
  }
}

TEST(MakeRanks, ApartGivesEveryNodeBothKinds) {
  const std::vector<Rank> ranks = MakeRanks(
      {.form = Form::kApart, .gpus = 16, .gpus_per_node = 8, .attention = 4, .experts = 64});
  ASSERT_EQ(ranks.size(), 16U);
  EXPECT_EQ(ExpertsOf(ranks), 64);
  std::vector<int> attention(2);
  std::vector<int> all(2);
  for (const Rank& rank : ranks) {
    EXPECT_NE(rank.attention, rank.experts > 0);
    attention[static_cast<std::size_t>(rank.node)] += rank.attention ? 1 : 0;
    ++all[static_cast<std::size_t>(rank.node)];
  }
  EXPECT_EQ(attention, (std::vector<int>{2, 2}));
  EXPECT_EQ(all, (std::vector<int>{8, 8}));
}

TEST(MakeRanks, ApartFillsALastNodeThatIsSmaller) {
  // Nodes of 4 and 1; the three attention GPUs go to nodes 0, 1 and, as 1 is full, 0.
  const std::vector<Rank> ranks = MakeRanks(
      {.form = Form::kApart, .gpus = 5, .gpus_per_node = 4, .attention = 3, .experts = 7});
  const std::vector<Rank> expected = {{.node = 0, .attention = true},
                                      {.node = 1, .attention = true},
                                      {.node = 0, .attention = true},
                                      {.node = 0, .experts = 4},
                                      {.node = 0, .experts = 3}};
  EXPECT_EQ(ranks, expected);
}

TEST(KnownCards, AreFoundByName) {
  for (const Card& card : KnownCards()) {
    EXPECT_EQ(FindCard(card.name).value().memory_bytes, card.memory_bytes);
  }
  const auto unknown = FindCard("h1000");
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(unknown.status().message()).find("a100-40g, a100-80g, h100, h200"),
            std::string::npos);
}

}  // namespace
}  // namespace sextant::cli
