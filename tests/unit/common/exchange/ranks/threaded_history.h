// What happens to ThreadedRanks, at random: work arrives, processes come, die and are drained, and
// connections break.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>

#include "tests/unit/common/exchange/ranks/threaded_ranks.h"

namespace sextant {

inline constexpr ConductedLimits kThreadedLimits{
    .chosen = kSimulatedChosen, .most_slot_rows = 20, .most_rows = 28};
inline constexpr int kMostThreadedProcesses = 7;

class ThreadedHistory {
 public:
  explicit ThreadedHistory(std::uint64_t seed, ThreadedRanks::MakeWire make_wire = nullptr)
      : random_(seed), ranks_(kThreadedLimits, seed, std::move(make_wire)) {
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
    if (ranks_.processes() == kMostThreadedProcesses) return;
    const bool attends = ranks_.processes() % 2 == 0;
    ranks_.Join(!apart_ || attends, !apart_ || !attends);
  }
  void Arrive() {
    const bool hot = Pick(2) == 0;
    ranks_.Arrive(hot, Pick(3) == 0 ? 1 + Pick(static_cast<int>(kThreadedLimits.most_rows)) : 1,
                  Pick(6));
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

// Runs so many histories, or SEXTANT_EXPLORE_RUNS; `wire_of` gives what the ranks of one are joined
// by. Fails the test where rows are not computed as they should, or never.
inline void RunThreadedHistories(
    std::uint64_t runs, const std::function<ThreadedRanks::MakeWire(std::uint64_t seed)>& wire_of) {
  if (const char* text = std::getenv("SEXTANT_EXPLORE_RUNS"); text != nullptr) {
    runs = std::strtoull(text, nullptr, 10);
  }
  std::map<std::string, int> counts;
  for (std::uint64_t seed = 1; seed <= runs; ++seed) {
    ThreadedHistory history(seed, wire_of(seed));
    ASSERT_TRUE(history.Run()) << "history " << seed << " does not end: "
                               << ::testing::PrintToString(history.ranks().Problems());
    ASSERT_THAT(history.ranks().Problems(), ::testing::IsEmpty()) << "history " << seed;
    for (const auto& [what, count] : history.ranks().Counts()) counts[what] += count;
  }
  for (const char* what : {"steps done", "void steps", "overflows", "switches"}) {
    EXPECT_GT(counts[what], 0) << what;
    ::testing::Test::RecordProperty(what, counts[what]);
  }
}

}  // namespace sextant
