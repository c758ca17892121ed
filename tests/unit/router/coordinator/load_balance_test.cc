#include "router/coordinator/load_balance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "tests/unit/router/coordinator/placements.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

std::map<std::string, int> Counts(const ExpertHolders& holders) {
  std::map<std::string, int> counts;
  for (const std::string& holder : holders) ++counts[holder];
  return counts;
}

TEST(BalanceLoadTest, EvenLoadMovesNothing) {
  const ExpertHolders current = {"a", "a", "b", "b"};
  EXPECT_EQ(BalanceLoad({.workers = {"a", "b"}, .current = current, .loads = {1, 1, 1, 1}}),
            current);
}

TEST(BalanceLoadTest, NoLoadMovesNothing) {
  const ExpertHolders current = {"a", "a", "a", "b"};
  EXPECT_EQ(BalanceLoad({.workers = {"a", "b"}, .current = current, .loads = ExpertLoads(4, 0.0)}),
            current);
}

TEST(BalanceLoadTest, TwoHotExpertsOfOneWorkerArePartedByOneExchange) {
  const ExpertHolders current = {"a", "a", "b", "b"};
  const ExpertHolders after =
      BalanceLoad({.workers = {"a", "b"}, .current = current, .loads = {10, 10, 1, 1}});
  EXPECT_EQ(Moves(current, after), 2);
  EXPECT_NE(after[0], after[1]);
  EXPECT_DOUBLE_EQ(Imbalance({"a", "b"}, after, {10, 10, 1, 1}), 1);
}

TEST(BalanceLoadTest, ASpareSlotTakesASingleMove) {
  const ExpertHolders current = {"a", "a", "b", "b"};
  const ExpertHolders after = BalanceLoad(
      {.workers = {"a", "b"}, .current = current, .loads = {10, 12, 1, 1}, .spare_slots = 1});
  EXPECT_EQ(Moves(current, after), 1);
  EXPECT_EQ(Counts(after)["b"], 3);
}

TEST(BalanceLoadTest, OneHotExpertCannotBeMadeLessHot) {
  const ExpertHolders current = {"a", "b"};
  EXPECT_EQ(BalanceLoad({.workers = {"a", "b"}, .current = current, .loads = {100, 1}}), current);
}

TEST(BalanceLoadTest, ALittleIsNotWorthAMove) {
  const ExpertHolders current = {"a", "a", "b", "b"};
  EXPECT_EQ(BalanceLoad({.workers = {"a", "b"}, .current = current, .loads = {100, 101, 100, 100}}),
            current);
}

TEST(BalanceLoadTest, RandomLoadsBecomeEvenWithinTheSlots) {
  std::mt19937 random(20261125);  // NOLINT(bugprone-random-generator-seed): repeatable
  const auto pick = [&](int bound) {
    return std::uniform_int_distribution<int>(0, bound - 1)(random);
  };
  for (int run = 0; run < 200; ++run) {
    const int count = 2 + pick(7);
    const std::vector<std::string> workers = Workers(count);
    const ExpertHolders current =
        PlanPlacement({.workers = workers, .previous = ExpertHolders(64)});
    ExpertLoads loads(64);
    for (double& load : loads) load = 1 + pick(100);
    const int spare = pick(3);
    const ExpertHolders after =
        BalanceLoad({.workers = workers, .current = current, .loads = loads, .spare_slots = spare});
    const double before_balance = Imbalance(workers, current, loads);
    const double after_balance = Imbalance(workers, after, loads);
    EXPECT_LE(after_balance, before_balance);
    EXPECT_LT(after_balance, 1.05) << count << " workers";
    for (const auto& [worker, experts] : Counts(after)) {
      EXPECT_LE(experts, (64 + count - 1) / count + spare);
    }
    // No more moves than it takes: far fewer than a placement from nothing would.
    EXPECT_LT(Moves(current, after), 32);
    std::vector<std::string> shuffled = workers;
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    EXPECT_EQ(after,
              BalanceLoad(
                  {.workers = shuffled, .current = current, .loads = loads, .spare_slots = spare}));
  }
}

TEST(ImbalanceTest, IsTheBusiestOverTheMean) {
  EXPECT_DOUBLE_EQ(Imbalance({"a", "b"}, {"a", "a", "b"}, {3, 3, 2}), 1.5);
  EXPECT_DOUBLE_EQ(Imbalance({"a", "b"}, {"a", "b"}, {0, 0}), 1);
}

TEST(ReplicasTest, TheHottestExpertsGetASecondHolder) {
  const HolderLists lists = AddReplicas({.workers = {"a", "b", "c"},
                                         .holders = {"a", "a", "b", "b", "c", "c"},
                                         .loads = {1, 9, 1, 1, 8, 1},
                                         .replicas = 2});
  EXPECT_THAT(lists[1], ElementsAre("a", "b"));
  EXPECT_THAT(lists[4], SizeIs(2));
  for (const std::size_t expert : {0U, 2U, 3U, 5U}) EXPECT_THAT(lists[expert], SizeIs(1));
}

TEST(ReplicasTest, OneWorkerHasNone) {
  const HolderLists lists =
      AddReplicas({.workers = {"a"}, .holders = ExpertHolders(4, "a"), .replicas = 2});
  for (const auto& list : lists) EXPECT_THAT(list, ElementsAre("a"));
}

TEST(ReplicasTest, CopiesAreSharedOutEvenly) {
  for (int count = 2; count <= 8; ++count) {
    const std::vector<std::string> workers = Workers(count);
    const ExpertHolders holders =
        PlanPlacement({.workers = workers, .previous = ExpertHolders(64)});
    for (const int replicas : {1, 5, 16, 64}) {
      const HolderLists lists =
          AddReplicas({.workers = workers, .holders = holders, .replicas = replicas});
      std::map<std::string, int> copies;
      int all = 0;
      for (const auto& list : lists) {
        ASSERT_LE(list.size(), 2U);
        if (list.size() < 2) continue;
        EXPECT_NE(list[0], list[1]);
        ++copies[list[1]];
        ++all;
      }
      EXPECT_EQ(all, replicas) << count << " workers";
      // The hottest have holders themselves, whom their copies avoid: with few workers, or many
      // copies, there is little choice.
      if (count < 3 || replicas == 64) continue;
      for (const auto& [worker, has] : copies) EXPECT_LE(has, (replicas + count - 1) / count + 2);
    }
  }
}

TEST(ReplicasTest, ACopyStaysWhileItsExpertIsAmongTheHot) {
  const HolderLists before = {{"a", "b"}, {"a"}, {"b"}, {"b"}};
  const ReplicaArgs args = {.workers = {"a", "b"},
                            .holders = {"a", "a", "b", "b"},
                            .previous = before,
                            .loads = {8, 9, 1, 1},
                            .replicas = 1};
  EXPECT_EQ(AddReplicas(args), before);  // the second hottest
  ReplicaArgs cold = args;
  cold.loads = {0, 9, 1, 1};
  EXPECT_THAT(AddReplicas(cold)[1], ElementsAre("a", "b"));
  EXPECT_THAT(AddReplicas(cold)[0], SizeIs(1));
}

TEST(ReplicasTest, MovesAreNewPairsOfExpertAndHolder) {
  EXPECT_EQ(CountMoves(HolderLists{{"a"}, {"b"}}, HolderLists{{"a", "b"}, {"b"}}), 1);
  EXPECT_EQ(CountMoves(HolderLists{{"a", "b"}}, HolderLists{{"b", "a"}}), 0);
  EXPECT_EQ(CountMoves(HolderLists{}, HolderLists{{"a"}}), 1);
  EXPECT_EQ(CountHeld(HolderLists{{"a", "b"}, {}, {"b"}}), 3);
}

}  // namespace
}  // namespace sextant
