// Random histories with a thread for each rank, for the thread sanitizer and for whatever order the
// machine comes up with; ranks_explorer_test.cc has many more of them in one thread.
//
// SEXTANT_EXPLORE_RUNS sets how many.
#include <gtest/gtest.h>

#include <cstdint>

#include "tests/unit/common/exchange/ranks/threaded_history.h"

namespace sextant {
namespace {

TEST(StepGateThreadTest, AllRowsAreComputedWhateverHappens) {
  RunThreadedHistories(300, [](std::uint64_t /*seed*/) { return nullptr; });
}

}  // namespace
}  // namespace sextant
