// What happens to ThreadedRanks, at random: work arrives, processes come, die and are drained, and
// connections break.
#pragma once

#include <cstdint>
#include <random>
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

}  // namespace sextant
