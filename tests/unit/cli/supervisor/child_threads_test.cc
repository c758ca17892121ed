#include "cli/supervisor/child_threads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <optional>

#include "absl/time/clock.h"

namespace sextant::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);

// Ready at its second argument, it waits to be stopped and exits with the number in its third.
int Waiter(const Arguments& arguments, StopSource& stop, const ReadyFunction& on_ready) {
  on_ready({arguments.at(1)});
  stop.Ready();
  stop.Wait();
  return std::atoi(arguments.at(2).c_str());
}

int Failure(const Arguments&, StopSource&, const ReadyFunction&) { return 1; }

class ChildThreadsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = ChildThreads::Open({{"waiter", Waiter}, {"failure", Failure}});
    ASSERT_TRUE(opened.ok()) << opened.status();
    threads_ = *std::move(opened);
  }

  std::optional<ChildEvent> Next() {
    const absl::Time deadline = absl::Now() + kPatience;
    while (events_.empty() && absl::Now() < deadline) {
      events_ = threads_->Wait(deadline - absl::Now());
    }
    if (events_.empty()) return std::nullopt;
    ChildEvent event = events_.front();
    events_.erase(events_.begin());
    return event;
  }
  template <typename Event>
  Event NextOf() {
    const auto event = Next();
    EXPECT_TRUE(event.has_value() && std::holds_alternative<Event>(*event));
    return event.has_value() && std::holds_alternative<Event>(*event) ? std::get<Event>(*event)
                                                                      : Event();
  }
  int StartWaiter(const char* target, const char* status) {
    const auto pid = threads_->Start({.name = "w", .arguments = {"waiter", target, status}});
    EXPECT_TRUE(pid.ok()) << pid.status();
    return pid.value_or(0);
  }

  std::unique_ptr<ChildThreads> threads_;
  std::vector<ChildEvent> events_;
};

TEST_F(ChildThreadsTest, TellsWhenAChildIsReadyAndHowItEnded) {
  const int pid = StartWaiter("unix:/a", "7");
  const auto ready = NextOf<ChildReady>();
  EXPECT_EQ(ready.pid, pid);
  EXPECT_THAT(ready.targets, ElementsAre("unix:/a"));
  threads_->Signal(pid, SIGTERM);
  const auto exited = NextOf<ChildExited>();
  EXPECT_EQ(exited.pid, pid);
  EXPECT_EQ(exited.status, 7);
  threads_->Signal(pid, SIGTERM);  // it is gone: nothing
}

TEST_F(ChildThreadsTest, StopsTheOneThatIsSignalled) {
  const int first = StartWaiter("a", "1");
  NextOf<ChildReady>();
  const int second = StartWaiter("b", "2");
  NextOf<ChildReady>();
  ASSERT_NE(first, second);
  threads_->Signal(second, SIGTERM);
  EXPECT_EQ(NextOf<ChildExited>().status, 2);
  EXPECT_TRUE(threads_->Wait(absl::Milliseconds(20)).empty());
}

TEST_F(ChildThreadsTest, AFailureIsAnExit) {
  ASSERT_TRUE(threads_->Start({.name = "f", .arguments = {"failure"}}).ok());
  EXPECT_EQ(NextOf<ChildExited>().status, 1);
}

TEST_F(ChildThreadsTest, RefusesAProgramThatItDoesNotHave) {
  const auto pid = threads_->Start({.name = "n", .arguments = {"nothing"}});
  EXPECT_EQ(pid.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(pid.status().message()), HasSubstr("nothing"));
}

TEST_F(ChildThreadsTest, TheProcessIsAskedToStop) {
  raise(SIGTERM);
  NextOf<StopRequested>();
}

TEST_F(ChildThreadsTest, StopsWhoeverIsLeftAtTheEnd) {
  StartWaiter("a", "0");
  threads_.reset();
}

TEST(ChildThreadsDeathTest, AKillEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        auto threads = *ChildThreads::Open({{"waiter", Waiter}});
        threads->Signal(*threads->Start({.name = "w", .arguments = {"waiter", "a", "0"}}), SIGKILL);
      },
      testing::ExitedWithCode(1), "");
}

}  // namespace
}  // namespace sextant::cli
