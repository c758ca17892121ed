#include "router/coordinator/placement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/unit/router/coordinator/placements.h"

namespace sextant {
namespace {

std::map<std::string, int> Counts(const std::vector<std::string>& workers,
                                  const ExpertHolders& holders) {
  std::map<std::string, int> counts;
  for (const std::string& worker : workers) counts[worker] = 0;
  for (const std::string& holder : holders) ++counts[holder];
  return counts;
}

// Every expert has a holder among the workers, and counts differ by at most one.
void ExpectBalanced(const std::vector<std::string>& workers, const ExpertHolders& holders) {
  const auto counts = Counts(workers, holders);
  ASSERT_EQ(counts.size(), workers.size()) << "a holder that is no worker";
  int least = static_cast<int>(holders.size());
  int most = 0;
  for (const auto& [worker, count] : counts) {
    least = std::min(least, count);
    most = std::max(most, count);
  }
  EXPECT_LE(most - least, 1);
}

// The fewest experts that any balanced placement moves: those that must leave their holders
// because they exceed the largest shares, given to the workers that hold most, and those that have
// no holder. Found in another way than the planner's: by trying who gets a larger share.
int FewestMoves(const std::vector<std::string>& workers, const ExpertHolders& previous) {
  const auto experts = static_cast<int>(previous.size());
  const auto least = experts / static_cast<int>(workers.size());
  const auto larger = experts % static_cast<int>(workers.size());
  std::map<std::string, int> held;
  for (const std::string& worker : workers) held[worker] = 0;
  for (const std::string& holder : previous) {
    if (held.contains(holder)) ++held[holder];
  }
  // Each worker keeps min(held, least), and min(held, least + 1) with a larger share.
  int kept = 0;
  int gain = 0;
  for (const auto& [worker, count] : held) {
    kept += std::min(count, least);
    if (count > least) ++gain;
  }
  return experts - kept - std::min(gain, larger);
}

TEST(PlacementTest, OneWorkerHoldsEverything) {
  const ExpertHolders holders = PlanPlacement({.workers = {"a"}, .previous = ExpertHolders(64)});
  EXPECT_EQ(holders, ExpertHolders(64, "a"));
}

TEST(PlacementTest, FirstPlacementGivesAscendingRanges) {
  const ExpertHolders holders =
      PlanPlacement({.workers = {"b", "a", "c"}, .previous = ExpertHolders(8)});
  EXPECT_EQ(holders, (ExpertHolders{"a", "a", "a", "b", "b", "b", "c", "c"}));
}

TEST(PlacementTest, MoreWorkersThanExpertsLeaveSomeWithoutAny) {
  const ExpertHolders holders =
      PlanPlacement({.workers = Workers(5), .previous = ExpertHolders(3)});
  ExpectBalanced(Workers(5), holders);
  EXPECT_EQ(holders, (ExpertHolders{"w0", "w1", "w2"}));
}

TEST(PlacementTest, OrphansGoToSurvivorsAndNothingElseMoves) {
  const ExpertHolders before = {"a", "a", "b", "b", "c", "c"};
  const ExpertHolders after = PlanPlacement({.workers = {"a", "c"}, .previous = before});
  EXPECT_EQ(after, (ExpertHolders{"a", "a", "a", "c", "c", "c"}));
  EXPECT_EQ(Moves(before, after), 2);
}

TEST(PlacementTest, UnchangedWorkersKeepTheirExperts) {
  const ExpertHolders before = {"b", "a", "b", "a", "a"};
  EXPECT_EQ(PlanPlacement({.workers = {"b", "a"}, .previous = before}), before);
}

TEST(PlacementTest, OrderOfTheWorkersIsOfNoMeaning) {
  const ExpertHolders before = {"a", "", "b", "x", "a", "c", "c", "c"};
  EXPECT_EQ(PlanPlacement({.workers = {"a", "b", "c", "d"}, .previous = before}),
            PlanPlacement({.workers = {"d", "b", "a", "c"}, .previous = before}));
}

TEST(PlacementTest, EveryChangeOfCountIsBalancedAndMovesTheFewest) {
  for (int from = 1; from <= 64; ++from) {
    const ExpertHolders before =
        PlanPlacement({.workers = Workers(from), .previous = ExpertHolders(64)});
    for (int to = 1; to <= 64; ++to) {
      const std::vector<std::string> workers = Workers(to);
      const ExpertHolders after = PlanPlacement({.workers = workers, .previous = before});
      ExpectBalanced(workers, after);
      EXPECT_EQ(Moves(before, after), FewestMoves(workers, before)) << from << " to " << to;
    }
  }
}

TEST(PlacementTest, RandomChangesAreBalancedAndMoveTheFewest) {
  std::mt19937 random(20261125);  // NOLINT(bugprone-random-generator-seed): repeatable
  const auto pick = [&](int bound) {
    return std::uniform_int_distribution<int>(0, bound - 1)(random);
  };
  for (int run = 0; run < 300; ++run) {
    ExpertHolders holders(static_cast<std::size_t>(1 + pick(100)));
    for (int step = 0; step < 20; ++step) {
      std::vector<std::string> workers;
      for (int i = 0; i < 64; ++i) {
        if (pick(64) < 1 + run % 64) workers.push_back(absl::StrCat("w", i));
      }
      if (workers.empty()) workers.push_back("w0");
      std::shuffle(workers.begin(), workers.end(), random);
      // An uneven start: experts that are anywhere, also with workers that are gone.
      if (pick(4) == 0) {
        for (std::string& holder : holders) holder = absl::StrCat("w", pick(3 + pick(62)));
      }
      const ExpertHolders after = PlanPlacement({.workers = workers, .previous = holders});
      ExpectBalanced(workers, after);
      ASSERT_EQ(Moves(holders, after), FewestMoves(workers, holders));
      holders = after;
    }
  }
}

}  // namespace
}  // namespace sextant
