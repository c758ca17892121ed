#include "cli/supervisor/child_processes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/temp_dir.h"

namespace sextant::cli {
namespace {

using ::testing::ElementsAre;

ChildSpec Shell(const std::string& script) {
  return {.name = "child", .arguments = {"/bin/sh", "-c", script}};
}

class ChildProcessesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = ChildProcesses::Open();
    ASSERT_TRUE(opened.ok()) << opened.status();
    processes_ = *std::move(opened);
  }

  // The next event of this type; others are passed over. Nothing after ten seconds.
  template <typename Event>
  std::optional<Event> Next() {
    const absl::Time deadline = absl::Now() + absl::Seconds(10);
    while (absl::Now() < deadline) {
      for (std::size_t i = 0; i < events_.size(); ++i) {
        if (const Event* found = std::get_if<Event>(&events_[i])) {
          Event event = *found;
          events_.erase(events_.begin(), events_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
          return event;
        }
      }
      for (ChildEvent& event : processes_->Wait(absl::Milliseconds(100))) {
        events_.push_back(std::move(event));
      }
    }
    return std::nullopt;
  }

  std::unique_ptr<ChildProcesses> processes_;
  std::vector<ChildEvent> events_;
};

TEST_F(ChildProcessesTest, AReadyLineComesWithItsTargetsBeforeTheExit) {
  const auto pid = processes_->Start(Shell("echo booting; echo ready router a:1 unix:/b; exit 3"));
  ASSERT_TRUE(pid.ok()) << pid.status();
  const auto ready = Next<ChildReady>();
  ASSERT_TRUE(ready.has_value());
  EXPECT_EQ(ready->pid, *pid);
  EXPECT_THAT(ready->targets, ElementsAre("a:1", "unix:/b"));
  const auto exited = Next<ChildExited>();
  ASSERT_TRUE(exited.has_value());
  EXPECT_EQ(exited->pid, *pid);
  EXPECT_EQ(exited->status, 3);
}

TEST_F(ChildProcessesTest, ASignalReachesTheChildAlsoWhenItIsStopped) {
  const auto pid = processes_->Start(Shell("kill -STOP $$; sleep 60"));
  ASSERT_TRUE(pid.ok()) << pid.status();
  processes_->Signal(*pid, SIGTERM);
  const auto exited = Next<ChildExited>();
  ASSERT_TRUE(exited.has_value());
  EXPECT_EQ(exited->status, -SIGTERM);
}

TEST_F(ChildProcessesTest, AProgramThatIsNotThereExits) {
  const auto pid = processes_->Start({.name = "none", .arguments = {"/no/such/program"}});
  ASSERT_TRUE(pid.ok()) << pid.status();
  const auto exited = Next<ChildExited>();
  ASSERT_TRUE(exited.has_value());
  EXPECT_EQ(exited->status, 127);
}

TEST_F(ChildProcessesTest, OwnSignalsAreEventsAndChildrenHaveTheOldMask) {
  raise(SIGTERM);
  EXPECT_TRUE(Next<StopRequested>().has_value());
  // A child that had inherited the blocked SIGTERM would outlive it.
  const auto pid = processes_->Start(Shell("kill -TERM $$; sleep 60"));
  ASSERT_TRUE(pid.ok()) << pid.status();
  const auto exited = Next<ChildExited>();
  ASSERT_TRUE(exited.has_value());
  EXPECT_EQ(exited->status, -SIGTERM);
}

TEST_F(ChildProcessesTest, TheEndTakesEveryDescendantAlong) {
  const TempDir dir;
  const auto pid = processes_->Start(
      Shell(absl::StrCat("sleep 60 & echo $! >", dir.File("pid"), "; echo ready child; wait")));
  ASSERT_TRUE(pid.ok()) << pid.status();
  ASSERT_TRUE(Next<ChildReady>().has_value());
  std::ifstream file(dir.File("pid"));
  int grandchild = 0;
  ASSERT_TRUE(file >> grandchild);
  processes_ = nullptr;
  EXPECT_NE(kill(*pid, 0), 0);
  // Killed with its group, which takes a moment; whoever inherited it may not have reaped it yet.
  const auto has_ended = [grandchild] {
    std::ifstream status(absl::StrCat("/proc/", grandchild, "/stat"));
    std::string number;
    std::string name;
    std::string state = "Z";
    status >> number >> name >> state;
    return state == "Z" || state == "X";
  };
  const absl::Time patience = absl::Now() + absl::Seconds(10);
  while (!has_ended() && absl::Now() < patience) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_TRUE(has_ended());
}

}  // namespace
}  // namespace sextant::cli
