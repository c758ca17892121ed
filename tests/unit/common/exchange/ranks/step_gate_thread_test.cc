// Random histories with a thread for each rank, for the thread sanitizer and for whatever order the
// machine comes up with; ranks_explorer_test.cc has many more of them in one thread.
//
// SEXTANT_EXPLORE_RUNS sets how many.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

#include "tests/unit/common/exchange/ranks/threaded_history.h"

namespace sextant {
namespace {

TEST(StepGateThreadTest, AllRowsAreComputedWhateverHappens) {
  const char* text = std::getenv("SEXTANT_EXPLORE_RUNS");
  const std::uint64_t runs = text == nullptr ? 300 : std::strtoull(text, nullptr, 10);
  std::map<std::string, int> counts;
  for (std::uint64_t seed = 1; seed <= runs; ++seed) {
    ThreadedHistory history(seed);
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
