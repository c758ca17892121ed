#include "cli/supervisor/supervisor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/support/message_of.h"

namespace sextant::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class FakeHost final : public ChildHost {
 public:
  absl::StatusOr<int> Start(const ChildSpec& child) override {
    if (!start_error.ok()) return start_error;
    started.emplace_back(child.name, next_pid);
    return next_pid++;
  }
  void Signal(int pid, int signal) override { signals.emplace_back(pid, signal); }

  int next_pid = 1;
  absl::Status start_error;
  std::vector<std::pair<std::string, int>> started;
  std::vector<std::pair<int, int>> signals;
};

// The router is process 1, the workers are 2 and 3.
class SupervisorTest : public ::testing::Test {
 protected:
  SupervisorTest()
      : supervisor_(
            {{.name = "router", .kind = ChildKind::kRouter},
             {.name = "attention", .kind = ChildKind::kAttentionWorker},
             {.name = "expert", .kind = ChildKind::kExpertWorker}},
            {.first_pause = absl::Milliseconds(100),
             .longest_pause = absl::Milliseconds(350),
             .stable_after = absl::Seconds(10),
             .startup_attempts = 3,
             .drain = absl::Seconds(30),
             .stop_patience = absl::Seconds(5),
             .make_worker = [](ChildKind kind, int index, int) -> absl::StatusOr<ChildSpec> {
               return ChildSpec{.name = absl::StrCat("worker-", index), .kind = kind};
             }},
            host_, [this](const std::string& line) { lines_.push_back(line); }) {
    supervisor_.Start(now_);
  }

  void Pass(absl::Duration time) {
    now_ += time;
    supervisor_.OnTime(now_);
  }
  void AllBecomeReady() {
    for (const int pid : {1, 2, 3}) supervisor_.OnReady(pid, now_);
    ASSERT_TRUE(supervisor_.AllReady());
    host_.started.clear();
  }

  absl::Time now_ = absl::UnixEpoch();
  FakeHost host_;
  std::vector<std::string> lines_;
  Supervisor supervisor_;
};

TEST_F(SupervisorTest, StartsAllAndKnowsWhenAllAreReady) {
  EXPECT_THAT(host_.started,
              ElementsAre(Pair("router", 1), Pair("attention", 2), Pair("expert", 3)));
  supervisor_.OnReady(1, now_);
  supervisor_.OnReady(2, now_);
  EXPECT_FALSE(supervisor_.AllReady());
  supervisor_.OnReady(3, now_);
  EXPECT_TRUE(supervisor_.AllReady());
  EXPECT_EQ(supervisor_.NextDeadline(), absl::InfiniteFuture());
}

TEST_F(SupervisorTest, ADeadChildIsStartedAgainAfterAPauseThatDoubles) {
  AllBecomeReady();
  int pid = 3;
  for (const int pause_ms : {100, 200, 350, 350}) {
    supervisor_.OnExit(pid, -SIGKILL, now_);
    EXPECT_EQ(supervisor_.NextDeadline(), now_ + absl::Milliseconds(pause_ms));
    Pass(absl::Milliseconds(pause_ms - 1));
    EXPECT_THAT(host_.started, IsEmpty());
    Pass(absl::Milliseconds(1));
    pid = host_.next_pid - 1;
    EXPECT_THAT(host_.started, ElementsAre(Pair("expert", pid)));
    host_.started.clear();
    supervisor_.OnReady(pid, now_);
  }
  EXPECT_EQ(lines_.front(), "expert was killed by signal 9; starting it again in 100ms");
}

TEST_F(SupervisorTest, EarlierDeathsAreForgottenAfterAWhile) {
  AllBecomeReady();
  supervisor_.OnExit(3, 1, now_);
  Pass(absl::Milliseconds(100));
  supervisor_.OnReady(4, now_);
  Pass(absl::Seconds(10));
  supervisor_.OnExit(4, 1, now_);
  EXPECT_EQ(supervisor_.NextDeadline(), now_ + absl::Milliseconds(100));
}

TEST_F(SupervisorTest, AWorkerThatLeavesOnPurposeStaysAwayButNotARouter) {
  AllBecomeReady();
  supervisor_.OnExit(2, 0, now_);
  EXPECT_EQ(supervisor_.NextDeadline(), absl::InfiniteFuture());
  EXPECT_THAT(lines_, ElementsAre("attention has left the cluster"));
  supervisor_.OnExit(1, 0, now_);
  Pass(absl::Milliseconds(100));
  EXPECT_THAT(host_.started, ElementsAre(Pair("router", 4)));
}

TEST_F(SupervisorTest, GivesUpOnAChildThatNeverBecomesReady) {
  supervisor_.OnReady(1, now_);
  int pid = 3;
  for (int death = 1; death <= 2; ++death) {
    supervisor_.OnExit(pid, 1, now_);
    Pass(absl::Seconds(1));
    pid = host_.next_pid - 1;
  }
  EXPECT_TRUE(supervisor_.failure().ok());
  supervisor_.OnExit(pid, 1, now_);
  EXPECT_THAT(MessageOf(supervisor_.failure()),
              HasSubstr("expert exited with status 1, 3 times in a row"));
  EXPECT_THAT(host_.signals, ElementsAre(Pair(1, SIGTERM), Pair(2, SIGTERM)));
  supervisor_.OnExit(1, 0, now_);
  EXPECT_FALSE(supervisor_.Done());
  supervisor_.OnExit(2, 0, now_);
  EXPECT_TRUE(supervisor_.Done());
}

TEST_F(SupervisorTest, AProcessThatCannotBeCreatedIsTriedAgain) {
  AllBecomeReady();
  host_.start_error = absl::ResourceExhaustedError("no memory");
  supervisor_.OnExit(3, -SIGSEGV, now_);
  Pass(absl::Milliseconds(100));
  EXPECT_THAT(lines_.back(), HasSubstr("expert cannot be started: no memory"));
  host_.start_error = absl::OkStatus();
  Pass(absl::Milliseconds(200));
  EXPECT_THAT(host_.started, ElementsAre(Pair("expert", 4)));
}

TEST_F(SupervisorTest, TheFirstStopEndsTheRouterAndThenTheWorkers) {
  AllBecomeReady();
  supervisor_.RequestStop(now_);
  EXPECT_THAT(host_.signals, ElementsAre(Pair(1, SIGTERM)));
  Pass(absl::Seconds(20));
  EXPECT_EQ(host_.signals.size(), 1U);
  supervisor_.OnExit(1, 0, now_);
  EXPECT_THAT(host_.signals, ElementsAre(Pair(1, SIGTERM), Pair(2, SIGTERM), Pair(3, SIGTERM)));
  supervisor_.OnExit(2, 0, now_);
  supervisor_.OnExit(3, 0, now_);
  EXPECT_TRUE(supervisor_.Done());
  EXPECT_TRUE(supervisor_.failure().ok());
  EXPECT_EQ(supervisor_.NextDeadline(), absl::InfiniteFuture());
}

TEST_F(SupervisorTest, WorkersAreKeptAliveWhileStreamsEnd) {
  AllBecomeReady();
  supervisor_.RequestStop(now_);
  supervisor_.OnExit(3, -SIGKILL, now_);
  Pass(absl::Milliseconds(100));
  EXPECT_THAT(host_.started, ElementsAre(Pair("expert", 4)));
}

TEST_F(SupervisorTest, TheSecondStopSignalsAllAndKillsWhoStays) {
  AllBecomeReady();
  supervisor_.RequestStop(now_);
  host_.signals.clear();
  supervisor_.RequestStop(now_);
  EXPECT_THAT(host_.signals, ElementsAre(Pair(1, SIGTERM), Pair(2, SIGTERM), Pair(3, SIGTERM)));
  supervisor_.OnExit(1, 0, now_);
  supervisor_.OnExit(2, 0, now_);
  host_.signals.clear();
  EXPECT_EQ(supervisor_.NextDeadline(), now_ + absl::Seconds(5));
  Pass(absl::Seconds(5));
  EXPECT_THAT(host_.signals, ElementsAre(Pair(3, SIGKILL)));
  supervisor_.OnExit(3, -SIGKILL, now_);
  EXPECT_TRUE(supervisor_.Done());
}

TEST_F(SupervisorTest, StreamsThatDoNotEndAreCutOff) {
  AllBecomeReady();
  supervisor_.RequestStop(now_);
  host_.signals.clear();
  EXPECT_EQ(supervisor_.NextDeadline(), now_ + absl::Seconds(30));
  Pass(absl::Seconds(30));
  EXPECT_THAT(host_.signals, ElementsAre(Pair(1, SIGTERM), Pair(2, SIGTERM), Pair(3, SIGTERM)));
}

TEST_F(SupervisorTest, AFlagCanBeReplacedForTheNextStart) {
  FakeHost host;
  Supervisor supervisor({{.name = "router",
                          .kind = ChildKind::kRouter,
                          .arguments = {"r", "--listen", "a:0", "--x", "--listen", "unix:b"}},
                         {.name = "w", .arguments = {"w", "--listen", "c"}}},
                        {}, host, [](const std::string&) {});
  supervisor.ReplaceFlag(ChildKind::kRouter, "--listen", {"a:17", "unix:b"});
  EXPECT_THAT(supervisor.children()[0].spec.arguments,
              ElementsAre("r", "--x", "--listen", "a:17", "--listen", "unix:b"));
  EXPECT_THAT(supervisor.children()[1].spec.arguments, ElementsAre("w", "--listen", "c"));
}

TEST_F(SupervisorTest, MoreAreStartedWhenMoreAreWanted) {
  AllBecomeReady();
  supervisor_.SetWanted(ChildKind::kExpertWorker, 3, {}, {}, now_);
  EXPECT_THAT(host_.started, ElementsAre(Pair("worker-1", 4), Pair("worker-2", 5)));
  EXPECT_EQ(supervisor_.wanted(ChildKind::kExpertWorker), 3);
  EXPECT_FALSE(supervisor_.AllReady());
  supervisor_.SetWanted(ChildKind::kExpertWorker, 3, {}, {}, now_);
  EXPECT_EQ(host_.started.size(), 2U);
}

TEST_F(SupervisorTest, TheYoungestLeaveWhenFewerAreWanted) {
  AllBecomeReady();
  supervisor_.SetWanted(ChildKind::kExpertWorker, 3, {}, {}, now_);
  supervisor_.SetWanted(ChildKind::kExpertWorker, 1, {}, {}, now_);
  EXPECT_THAT(host_.signals, ElementsAre(Pair(5, SIGTERM), Pair(4, SIGTERM)));
  host_.started.clear();
  // However they end, they stay away.
  supervisor_.OnExit(5, 0, now_);
  supervisor_.OnExit(4, -SIGKILL, now_);
  Pass(absl::Seconds(60));
  EXPECT_THAT(host_.started, IsEmpty());
  EXPECT_EQ(supervisor_.wanted(ChildKind::kExpertWorker), 1);
  EXPECT_TRUE(supervisor_.AllReady());
}

TEST_F(SupervisorTest, ThoseThatAreDrainedAreNotCounted) {
  AllBecomeReady();
  supervisor_.SetWanted(ChildKind::kExpertWorker, 3, {}, {}, now_);
  host_.started.clear();
  supervisor_.SetWanted(ChildKind::kExpertWorker, 2, {3}, {}, now_);
  EXPECT_THAT(host_.signals, ElementsAre(Pair(3, SIGTERM)));
  // One more is wanted before it has gone.
  supervisor_.SetWanted(ChildKind::kExpertWorker, 3, {3}, {}, now_);
  EXPECT_THAT(host_.started, ElementsAre(Pair("worker-3", 6)));
  supervisor_.OnExit(3, 0, now_);
  supervisor_.SetWanted(ChildKind::kExpertWorker, 3, {}, {}, now_);
  EXPECT_EQ(host_.started.size(), 1U);
}

// What goes by the index, as a GPU, is not there for a third one.
TEST_F(SupervisorTest, OneThatCameWhileAnotherDrainedTakesItsPlaceAfterIt) {
  AllBecomeReady();
  supervisor_.SetWanted(ChildKind::kExpertWorker, 2, {}, {}, now_);
  supervisor_.SetWanted(ChildKind::kExpertWorker, 1, {}, {}, now_);
  supervisor_.SetWanted(ChildKind::kExpertWorker, 2, {}, {}, now_);
  EXPECT_THAT(host_.started, ElementsAre(Pair("worker-1", 4), Pair("worker-2", 5)));
  supervisor_.OnExit(5, 1, now_);
  Pass(absl::Milliseconds(100));
  EXPECT_EQ(host_.started.back(), std::make_pair(std::string("worker-2"), 6));
  supervisor_.OnExit(6, 1, now_);
  supervisor_.OnExit(4, 0, now_);
  Pass(absl::Milliseconds(200));
  EXPECT_EQ(host_.started.back(), std::make_pair(std::string("worker-1"), 7));
  EXPECT_EQ(lines_.back(), "starting worker-2 again as worker-1");
  supervisor_.OnReady(7, now_);
  EXPECT_TRUE(supervisor_.AllReady());
  // And the next one is the third.
  supervisor_.SetWanted(ChildKind::kExpertWorker, 3, {}, {}, now_);
  EXPECT_EQ(host_.started.back(), std::make_pair(std::string("worker-2"), 8));
}

TEST_F(SupervisorTest, OneThatDiesKeepsItsPlaceWhileAllBeforeItAreTaken) {
  AllBecomeReady();
  supervisor_.SetWanted(ChildKind::kExpertWorker, 3, {}, {}, now_);
  host_.started.clear();
  supervisor_.OnExit(3, -SIGKILL, now_);  // pauses, and has the first place
  supervisor_.OnExit(5, -SIGKILL, now_);
  Pass(absl::Milliseconds(100));
  EXPECT_THAT(host_.started, ElementsAre(Pair("expert", 6), Pair("worker-2", 7)));
}

TEST_F(SupervisorTest, OneThatDoesNotLeaveIsKilled) {
  AllBecomeReady();
  supervisor_.SetWanted(ChildKind::kExpertWorker, 0, {}, {}, now_);
  host_.signals.clear();
  Pass(absl::Seconds(34));
  EXPECT_THAT(host_.signals, IsEmpty());
  Pass(absl::Seconds(1));
  EXPECT_THAT(host_.signals, ElementsAre(Pair(3, SIGKILL)));
}

TEST_F(SupervisorTest, OneThatPausesIsForgottenFirst) {
  AllBecomeReady();
  supervisor_.SetWanted(ChildKind::kExpertWorker, 2, {}, {}, now_);
  supervisor_.OnReady(4, now_);
  supervisor_.OnExit(3, -SIGKILL, now_);
  host_.started.clear();
  EXPECT_THAT(supervisor_.Trouble(), HasSubstr("expert was killed by signal 9"));
  supervisor_.SetWanted(ChildKind::kExpertWorker, 1, {}, {}, now_);
  EXPECT_THAT(host_.signals, IsEmpty());
  EXPECT_EQ(supervisor_.Trouble(), "");
  Pass(absl::Seconds(1));
  EXPECT_THAT(host_.started, IsEmpty());
}

TEST_F(SupervisorTest, OneThatIsNoMemberLeavesFirst) {
  AllBecomeReady();
  supervisor_.SetWanted(ChildKind::kExpertWorker, 3, {}, {}, now_);
  supervisor_.SetWanted(ChildKind::kExpertWorker, 2, {}, {3, 5}, now_);
  EXPECT_THAT(host_.signals, ElementsAre(Pair(4, SIGTERM)));
}

TEST_F(SupervisorTest, OneThatLeavesByItselfIsWantedNoMore) {
  AllBecomeReady();
  supervisor_.OnExit(3, 0, now_);
  EXPECT_EQ(supervisor_.wanted(ChildKind::kExpertWorker), 0);
}

TEST_F(SupervisorTest, NobodyIsStartedForAClusterThatStops) {
  AllBecomeReady();
  supervisor_.RequestStop(now_);
  supervisor_.SetWanted(ChildKind::kExpertWorker, 5, {}, {}, now_);
  EXPECT_THAT(host_.started, IsEmpty());
}

TEST_F(SupervisorTest, AStopDuringAPauseStartsNobody) {
  AllBecomeReady();
  supervisor_.OnExit(1, -SIGKILL, now_);
  supervisor_.RequestStop(now_);
  EXPECT_THAT(host_.signals, ElementsAre(Pair(2, SIGTERM), Pair(3, SIGTERM)));
  Pass(absl::Seconds(1));
  EXPECT_THAT(host_.started, IsEmpty());
}

TEST_F(SupervisorTest, ReadyOnesAndDeathsAreCountedByKind) {
  EXPECT_EQ(supervisor_.ready(ChildKind::kExpertWorker), 0);
  AllBecomeReady();
  EXPECT_EQ(supervisor_.ready(ChildKind::kExpertWorker), 1);
  supervisor_.Handle(ChildExited{.pid = 3, .status = -SIGKILL}, now_);
  EXPECT_EQ(supervisor_.ready(ChildKind::kExpertWorker), 0);
  EXPECT_EQ(supervisor_.deaths(ChildKind::kExpertWorker), 1);
  EXPECT_EQ(supervisor_.deaths(ChildKind::kAttentionWorker), 0);
  Pass(absl::Seconds(1));
  supervisor_.Handle(ChildReady{.pid = 4, .targets = {}}, now_);
  EXPECT_EQ(supervisor_.ready(ChildKind::kExpertWorker), 1);
  supervisor_.SetWanted(ChildKind::kExpertWorker, 0, {}, {}, now_);
  EXPECT_EQ(supervisor_.ready(ChildKind::kExpertWorker), 0);
}

// Without a router: process 1 attends, 2 and 3 are experts.
class SupervisedWorkersTest : public ::testing::Test {
 protected:
  SupervisedWorkersTest()
      : supervisor_({{.name = "attention", .kind = ChildKind::kAttentionWorker},
                     {.name = "expert-1", .kind = ChildKind::kExpertWorker},
                     {.name = "expert-2", .kind = ChildKind::kExpertWorker}},
                    {.drain = absl::Seconds(30), .stop_patience = absl::Seconds(5)}, host_,
                    [](const std::string&) {}) {
    supervisor_.Start(now_);
    for (const int pid : {1, 2, 3}) supervisor_.OnReady(pid, now_);
  }

  absl::Time now_ = absl::UnixEpoch();
  FakeHost host_;
  Supervisor supervisor_;
};

TEST_F(SupervisedWorkersTest, AttentionWorkersLeaveFirstAndThenExpertWorkers) {
  supervisor_.Handle(StopRequested{}, now_);
  EXPECT_THAT(host_.signals, ElementsAre(Pair(1, SIGTERM)));
  host_.signals.clear();
  host_.started.clear();
  now_ += absl::Seconds(20);
  supervisor_.OnExit(1, 0, now_);
  EXPECT_THAT(host_.signals, ElementsAre(Pair(2, SIGTERM), Pair(3, SIGTERM)));
  supervisor_.OnExit(2, 0, now_);
  EXPECT_FALSE(supervisor_.Done());
  supervisor_.OnExit(3, -SIGSEGV, now_);
  EXPECT_TRUE(supervisor_.Done());
  EXPECT_THAT(host_.started, IsEmpty());
}

TEST_F(SupervisedWorkersTest, AnExpertWorkerThatDiesMeanwhileIsStartedAgain) {
  supervisor_.RequestStop(now_);
  supervisor_.OnExit(3, -SIGKILL, now_);
  host_.started.clear();
  now_ += absl::Seconds(1);
  supervisor_.OnTime(now_);
  EXPECT_THAT(host_.started, ElementsAre(Pair("expert-2", 4)));
  supervisor_.OnExit(1, 0, now_);
  supervisor_.OnExit(2, 0, now_);
  supervisor_.OnExit(4, 0, now_);
  EXPECT_TRUE(supervisor_.Done());
}

TEST_F(SupervisedWorkersTest, OneThatPausesWhenAllAreToLeaveIsGone) {
  supervisor_.OnExit(1, -SIGKILL, now_);
  supervisor_.OnExit(3, -SIGKILL, now_);
  supervisor_.RequestStop(now_);
  EXPECT_THAT(host_.signals, ElementsAre(Pair(2, SIGTERM)));
  supervisor_.OnExit(2, 0, now_);
  EXPECT_TRUE(supervisor_.Done());
}

TEST_F(SupervisedWorkersTest, ASecondRequestStopsThemAtOnce) {
  supervisor_.RequestStop(now_);
  host_.signals.clear();
  supervisor_.RequestStop(now_);
  EXPECT_THAT(host_.signals, ElementsAre(Pair(1, SIGTERM), Pair(2, SIGTERM), Pair(3, SIGTERM)));
  host_.signals.clear();
  now_ += absl::Seconds(5);
  supervisor_.OnTime(now_);
  EXPECT_THAT(host_.signals, ElementsAre(Pair(1, SIGKILL), Pair(2, SIGKILL), Pair(3, SIGKILL)));
}

TEST_F(SupervisedWorkersTest, TheTimeToDrainEnds) {
  supervisor_.RequestStop(now_);
  host_.signals.clear();
  now_ = supervisor_.NextDeadline();
  EXPECT_EQ(now_, absl::UnixEpoch() + absl::Seconds(35));
  supervisor_.OnTime(now_);
  EXPECT_THAT(host_.signals, ElementsAre(Pair(1, SIGTERM), Pair(2, SIGTERM), Pair(3, SIGTERM)));
}

}  // namespace
}  // namespace sextant::cli
