// Random histories with a thread for each rank, for the thread sanitizer and for whatever order the
// machine comes up with; ranks_explorer_test.cc has many more of them in one thread.
//
// SEXTANT_EXPLORE_RUNS sets how many.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "tests/unit/common/exchange/ranks/threaded_ranks.h"

namespace sextant {
namespace {

constexpr ConductedLimits kLimits{
    .chosen = kSimulatedChosen, .most_slot_rows = 20, .most_rows = 28};
constexpr int kMostProcesses = 7;

class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed), ranks_(kLimits, seed) {
    apart_ = Pick(2) == 0;
    for (int i = Pick(6); i >= 0; --i) Join();
    for (int i = Pick(8); i >= 0; --i) Arrive();
  }

  // False where somebody waits for ever.
  bool Run() {
    for (int i = Pick(10); i > 0; --i) {
      Happen();
      if (!ranks_.WaitForResults(Pick(6))) return false;
    }
    if (!ranks_.CanCompute()) ranks_.Join(true, true);
    return ranks_.WaitForResults(1 << 20);
  }

  ThreadedRanks& ranks() { return ranks_; }

 private:
  int Pick(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random_); }

  void Join() {
    if (ranks_.processes() == kMostProcesses) return;
    const bool attends = ranks_.processes() % 2 == 0;
    ranks_.Join(!apart_ || attends, !apart_ || !attends);
  }
  void Arrive() {
    const bool hot = Pick(2) == 0;
    ranks_.Arrive(hot, Pick(3) == 0 ? 1 + Pick(static_cast<int>(kLimits.most_rows)) : 1, Pick(6));
    // Many at once do not fit into slots.
    if (Pick(4) == 0) {
      for (int i = Pick(40); i > 0; --i) ranks_.Arrive(hot, 1, Pick(3));
    }
  }
  void Happen() {
    const int kind = Pick(10);
    if (kind < 4) return Arrive();
    if (kind < 6) return Join();
    if (kind < 8) return ranks_.Kill(Pick(ranks_.processes()));
    if (kind < 9) return ranks_.Drain(Pick(ranks_.processes()));
    ranks_.Reconnect();
  }

  std::mt19937_64 random_;
  ThreadedRanks ranks_;
  bool apart_ = false;
};

TEST(StepGateThreadTest, AllRowsAreComputedWhateverHappens) {
  const char* text = std::getenv("SEXTANT_EXPLORE_RUNS");
  const std::uint64_t runs = text == nullptr ? 300 : std::strtoull(text, nullptr, 10);
  std::map<std::string, int> counts;
  for (std::uint64_t seed = 1; seed <= runs; ++seed) {
    History history(seed);
    ASSERT_TRUE(history.Run()) << "history " << seed << " does not end: "
                               << ::testing::PrintToString(history.ranks().Problems());
    ASSERT_THAT(history.ranks().Problems(), ::testing::IsEmpty()) << "history " << seed;
    for (const auto& [what, count] : history.ranks().Counts()) counts[what] += count;
  }
  for (const char* what : {"steps done", "void steps", "overflows", "switches"}) {
    EXPECT_GT(counts[what], 0) << what;
    RecordProperty(what, counts[what]);
  }
}

}  // namespace
}  // namespace sextant
