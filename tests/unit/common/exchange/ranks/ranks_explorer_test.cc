// Random histories of ranks that take steps together: sequences come and go, ranks are slow, offer
// late, overflow their slots, die at any point of a step, come and are drained; messages come late,
// twice, and in any order between different senders. SimulatedRanks checks what must hold, and
// planted bugs show that it does.
//
// SEXTANT_EXPLORE_RUNS sets how many; a failure prints the seed, and SEXTANT_EXPLORE_SEED=N runs
// that one alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/common/exchange/ranks/simulated_ranks.h"

namespace sextant {
namespace {

constexpr ConductedLimits kLimits{
    .chosen = kSimulatedChosen, .most_slot_rows = 20, .most_rows = 28};
constexpr int kMostRanks = 8;

class Explorer {
 public:
  explicit Explorer(std::uint64_t seed)
      : random_(seed), ranks_(kLimits, [this](int bound) { return Pick(bound); }) {
    // Every history has its own mood: who does what, how much there is to do, how often things
    // break, and who is slow.
    form_ = Pick(3);
    trouble_ = Pick(3) == 0 ? 0 : Pick(12);
    work_ = 4 + Pick(16);
    hot_ = Pick(2) == 0;
    slow_ = Pick(kMostRanks + 1);
    for (int i = Pick(kMostRanks); i >= 0; --i) Join();
  }

  void Run(int events) {
    for (int i = 0; i < events; ++i) {
      if (Pick(1000) < trouble_) {
        MakeTrouble();
      } else if (Pick(1000) < work_) {
        Arrive();
      } else if (Pick(5) < 2) {
        static_cast<void>(ranks_.Deliver());
      } else {
        const int process = Pick(ranks_.processes());
        if (process != slow_ || Pick(10) == 0) static_cast<void>(ranks_.RunEngine(process));
      }
    }
    ranks_.Settle();
  }

  SimulatedRanks& ranks() { return ranks_; }

 private:
  int Pick(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random_); }

  void Join() {
    if (ranks_.wanted() >= kMostRanks) return;
    const bool apart = form_ == 1 || (form_ == 2 && Pick(2) == 0);
    // The first two of a cluster apart are one of each.
    const int joined = ranks_.processes();
    const bool attends = joined < 2 ? joined == 0 : Pick(2) == 0;
    ranks_.Join(!apart || attends, !apart || !attends);
  }

  void Arrive() {
    const int most = static_cast<int>(kLimits.most_rows);
    const int prompt = Pick(3) == 0 ? 1 + Pick(most) : 1;
    ranks_.Arrive(hot_ && Pick(8) != 0, prompt, Pick(6));
    // Many at once fill the slots.
    if (Pick(6) == 0) {
      for (int i = Pick(40); i > 0; --i) ranks_.Arrive(hot_, 1, Pick(3));
    }
  }

  void MakeTrouble() {
    const int kind = Pick(10);
    const int process = Pick(ranks_.processes());
    if (kind < 3) return Join();
    if (kind < 5) {
      if (ranks_.alive(process)) ranks_.Kill(process);
    } else if (kind < 8) {
      static_cast<void>(ranks_.NoticeDeath());
    } else if (kind < 9) {
      ranks_.Drain(process);
    } else {
      ranks_.Reconnect();
    }
  }

  std::mt19937_64 random_;
  SimulatedRanks ranks_;
  int form_ = 0;  // all ranks do both, apart, mixed
  int trouble_ = 0;
  int work_ = 0;
  bool hot_ = false;
  int slow_ = 0;
};

constexpr int kEvents = 1500;

#ifdef __OPTIMIZE__
constexpr std::uint64_t kRuns = 10000;
#else
constexpr std::uint64_t kRuns = 1000;  // with a sanitizer these take as long
#endif

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::uint64_t running_seed = 0;

// Of a CHECK that fails in what is explored.
void TellSeed(int /*signal*/) {
  static_cast<void>(std::fprintf(stderr, "SEXTANT_EXPLORE_SEED=%llu shows it again\n",
                                 static_cast<unsigned long long>(running_seed)));
}

TEST(RanksExplorerTest, InvariantsHoldInRandomHistories) {
  static_cast<void>(std::signal(SIGABRT, TellSeed));
  const std::uint64_t one_seed = FromEnvironment("SEXTANT_EXPLORE_SEED", 0);
  const std::uint64_t runs = one_seed != 0 ? 1 : FromEnvironment("SEXTANT_EXPLORE_RUNS", kRuns);
  std::map<std::string, std::int64_t> counts;
  for (std::uint64_t run = 1; run <= runs; ++run) {
    const std::uint64_t seed = one_seed != 0 ? one_seed : run;
    running_seed = seed;
    Explorer explorer(seed);
    explorer.Run(kEvents);
    for (const auto& [what, count] : explorer.ranks().counts()) counts[what] += count;
    ASSERT_THAT(explorer.ranks().violations(), ::testing::IsEmpty())
        << "SEXTANT_EXPLORE_SEED=" << seed << " shows it again";
  }
  // The histories must be worth their name.
  const auto expect = [&](const char* what, std::uint64_t runs_for_each) {
    if (one_seed == 0) {
      EXPECT_GT(counts[what], static_cast<std::int64_t>(runs / runs_for_each)) << what;
    }
    RecordProperty(what, absl::StrCat(counts[what]));
  };
  for (const char* what : {"steps in slots", "exact steps", "full slots", "overflows", "void steps",
                           "deaths", "deaths inside a layer", "steps ahead", "drains", "switches",
                           "second offers", "steps without rows that came late"}) {
    expect(what, 20);
  }
  expect("steps with garbage", 200);
}

// The seed of the first history that shows the bug; 0 when none of many does.
std::uint64_t FirstThatFinds(SimulatedRanks::PlantedBug bug, const std::string& what) {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    Explorer explorer(seed);
    explorer.ranks().bug = bug;
    explorer.Run(kEvents);
    for (const std::string& violation : explorer.ranks().violations()) {
      if (violation.find(what) != std::string::npos) return seed;
    }
  }
  return 0;
}

TEST(RanksExplorerTest, FindsEpochsThatAreMixed) {
  EXPECT_NE(FirstThatFinds(SimulatedRanks::PlantedBug::kMixEpochs, "epoch"), 0U);
}

TEST(RanksExplorerTest, FindsResultsOfAnAbortedExchange) {
  EXPECT_NE(FirstThatFinds(SimulatedRanks::PlantedBug::kTrustAborted, "not what it is alone"), 0U);
}

TEST(RanksExplorerTest, FindsAbortsThatComeBeforeAllHaveHalted) {
  EXPECT_NE(FirstThatFinds(SimulatedRanks::PlantedBug::kAbortAtOnce, "not what it is alone"), 0U);
}

TEST(RanksExplorerTest, FindsRowsThatAreNeverOfferedAgain) {
  EXPECT_NE(FirstThatFinds(SimulatedRanks::PlantedBug::kForgetRows, "results"), 0U);
}

}  // namespace
}  // namespace sextant
