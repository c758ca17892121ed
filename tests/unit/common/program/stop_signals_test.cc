#include "common/program/stop_signals.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

namespace sextant {
namespace {

void Signal(int number) { kill(getpid(), number); }

void Rest() { std::this_thread::sleep_for(std::chrono::seconds(20)); }

// Each case runs in a process of its own.
class StopSignalsDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(StopSignalsDeathTest, BeforeReadyTheFirstSignalEndsTheProcess) {
  EXPECT_EXIT(
      {
        const StopSignals signals;
        Signal(SIGTERM);
        Rest();
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(StopSignalsDeathTest, AfterReadyTheFirstSignalEndsTheWait) {
  for (const int number : {SIGTERM, SIGINT}) {
    EXPECT_EXIT(
        {
          StopSignals signals;
          signals.Ready();
          Signal(number);
          signals.Wait();
          std::_Exit(7);
        },
        testing::ExitedWithCode(7), "");
  }
}

TEST_F(StopSignalsDeathTest, TheSecondSignalEndsTheProcessAtOnce) {
  EXPECT_EXIT(
      {
        StopSignals signals;
        signals.Ready();
        Signal(SIGTERM);
        signals.Wait();
        Signal(SIGTERM);
        Rest();
      },
      testing::ExitedWithCode(1), "");
}

TEST(StopSignalsTest, ARequestIsAsGoodAsASignal) {
  StopSignals signals;
  std::thread other([&signals] { signals.Request(); });
  signals.Wait();
  other.join();
}

TEST(StopSignalsTest, AWaitForALimitedTimeTellsWhetherToStop) {
  StopSignals signals;
  EXPECT_FALSE(signals.WaitFor(absl::ZeroDuration()));
  signals.Request();
  EXPECT_TRUE(signals.WaitFor(absl::ZeroDuration()));
  EXPECT_TRUE(signals.WaitFor(absl::Hours(1)));
}

}  // namespace
}  // namespace sextant
