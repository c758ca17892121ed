#include "common/exchange/ranks/rank_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace sextant {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

RankRole Attends(std::vector<std::int32_t> experts = {}) {
  return {.attends = true, .experts = std::move(experts)};
}
RankRole Holds(std::vector<std::int32_t> experts) { return {.experts = std::move(experts)}; }

RankLayout Layout(std::int32_t num_experts, std::vector<RankRole> ranks) {
  absl::StatusOr<RankLayout> layout = RankLayout::Make(num_experts, std::move(ranks));
  EXPECT_TRUE(layout.ok()) << layout.status();
  return *std::move(layout);
}

// Of one attention rank: destinations, and the experts' numbers there.
std::vector<std::pair<std::int32_t, std::int32_t>> Seats(const RankLayout& layout, int attention) {
  std::vector<std::pair<std::int32_t, std::int32_t>> seats;
  for (const ExpertSeat& seat : layout.SeatsFor(attention)) {
    seats.emplace_back(seat.destination, seat.local);
  }
  return seats;
}

TEST(RankLayoutTest, WhatCannotServeIsRefusedByName) {
  const struct {
    std::int32_t num_experts;
    std::vector<RankRole> ranks;
    std::string message;
  } table[] = {
      {0, {Attends()}, "ranks for 0 experts"},
      {-1, {Attends()}, "ranks for -1 experts"},
      {2, {}, "no rank attends"},
      {2, {Holds({0, 1})}, "no rank attends"},
      {2, {Attends(), Holds({0, 1}), Holds({})}, "rank 2 neither attends nor holds experts"},
      {2, {Attends(), Holds({0, 1, 2})}, "rank 1 holds expert 2 of 2"},
      {2, {Attends({-1, 0, 1})}, "rank 0 holds expert -1 of 2"},
      {3, {Attends({0, 2, 1})}, "rank 0 holds expert 1 after 2"},
      {3, {Attends(), Holds({0, 1, 1, 2})}, "rank 1 holds expert 1 after 1"},
      {2, {Attends()}, "no rank holds expert 0"},
      {4, {Attends({0, 1}), Attends({1, 3})}, "no rank holds expert 2"},
  };
  for (const auto& refused : table) {
    const absl::Status status = RankLayout::Make(refused.num_experts, refused.ranks).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << refused.message;
    EXPECT_EQ(std::string(status.message()), refused.message);
  }
}

TEST(RankLayoutTest, OneRankIsEverything) {
  const RankLayout layout = Layout(3, {Attends({0, 1, 2})});
  EXPECT_EQ(layout.size(), 1);
  EXPECT_EQ(layout.num_experts(), 3);
  EXPECT_THAT(layout.attention_ranks(), ElementsAre(0));
  EXPECT_THAT(layout.expert_ranks(), ElementsAre(0));
  EXPECT_THAT(Seats(layout, 0), ElementsAre(std::pair(0, 0), std::pair(0, 1), std::pair(0, 2)));
}

TEST(RankLayoutTest, RolesAreListedInAscendingRank) {
  const RankLayout layout =
      Layout(4, {Holds({0}), Attends(), Attends({1, 3}), Holds({2}), Attends()});
  EXPECT_EQ(layout.size(), 5);
  EXPECT_THAT(layout.attention_ranks(), ElementsAre(1, 2, 4));
  EXPECT_THAT(layout.expert_ranks(), ElementsAre(0, 2, 3));
  EXPECT_TRUE(layout.role(2).attends);
  EXPECT_THAT(layout.role(2).experts, ElementsAre(1, 3));
  EXPECT_THAT(layout.role(4).experts, IsEmpty());
}

TEST(RankLayoutTest, ASeatIsADestinationAndTheExpertsNumberThere) {
  const RankLayout layout = Layout(4, {Attends(), Holds({1, 3}), Attends({0, 2})});
  for (const int attention : {0, 1}) {
    EXPECT_THAT(Seats(layout, attention),
                ElementsAre(std::pair(1, 0), std::pair(0, 0), std::pair(1, 1), std::pair(0, 1)));
  }
}

TEST(RankLayoutTest, HoldersOfOneExpertTakeTurnsAmongAttentionRanks) {
  const RankLayout layout = Layout(
      2, {Attends(), Attends(), Attends(), Attends(), Holds({0, 1}), Holds({1}), Holds({1})});
  std::vector<std::int32_t> destinations;
  for (int attention = 0; attention < 4; ++attention) {
    const std::vector<ExpertSeat> seats = layout.SeatsFor(attention);
    EXPECT_EQ(seats[0].destination, 0);
    EXPECT_EQ(seats[1].local, seats[1].destination == 0 ? 1 : 0);
    destinations.push_back(seats[1].destination);
  }
  EXPECT_THAT(destinations, ElementsAre(0, 1, 2, 0));
}

TEST(RankLayoutTest, OneAttentionRankUsesEveryCopy) {
  // Experts 0, 2 and 4 have two holders each, 1 and 3 have one.
  const RankLayout layout = Layout(5, {Attends(), Holds({0, 1, 2, 4}), Holds({0, 2, 3, 4})});
  EXPECT_THAT(Seats(layout, 0), ElementsAre(std::pair(0, 0), std::pair(0, 1), std::pair(1, 1),
                                            std::pair(1, 2), std::pair(0, 3)));
}

TEST(RankLayoutDeathTest, AnAttentionRankThatIsNotThereIsABug) {
  const RankLayout layout = Layout(1, {Attends({0})});
  EXPECT_DEATH((void)layout.SeatsFor(1), "attention_.size");
  EXPECT_DEATH((void)layout.SeatsFor(-1), "attention");
}

}  // namespace
}  // namespace sextant
