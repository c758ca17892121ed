#include "cli/exchange/rank_children.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "absl/strings/str_cat.h"
#include "cli/supervisor/child_processes.h"
#include "common/base/check.h"
#include "tests/support/temp_dir.h"

namespace sextant::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr int kFirstPid = 100;

// Children that do what a test says, one thing at a time.
class ScriptedRunner final : public ChildRunner {
 public:
  explicit ScriptedRunner(std::deque<ChildEvent> events) : events_(std::move(events)) {}

  absl::StatusOr<int> Start(const ChildSpec& child) override {
    started.push_back(child.arguments);
    return kFirstPid + static_cast<int>(started.size()) - 1;
  }
  void Signal(int /*pid*/, int /*signal*/) override {}
  std::vector<ChildEvent> Wait(absl::Duration /*longest*/) override {
    CHECK(!events_.empty());
    started_at.push_back(started.size());
    std::vector<ChildEvent> next = {events_.front()};
    events_.pop_front();
    return next;
  }
  void Wake() override {}

  std::vector<std::vector<std::string>> started;
  std::vector<std::size_t> started_at;  // how many there were at each Wait

 private:
  std::deque<ChildEvent> events_;
};

ChildReady Ready() { return {.pid = kFirstPid, .targets = {"0badc0de"}}; }
ChildExited Exited(int rank, int status) { return {.pid = kFirstPid + rank, .status = status}; }

class RankChildrenTest : public testing::Test {
 protected:
  void Leave(int rank, const absl::StatusOr<RankReport>& report) {
    ASSERT_TRUE(WriteRankReport(ReportOf(rank), report).ok());
  }
  std::string ReportOf(int rank) { return folder_.File(absl::StrCat("rank-", rank, ".json")); }
  absl::StatusOr<std::vector<RankReport>> Run(ScriptedRunner& runner, int ranks) {
    return RunRanks(runner,
                    {.arguments = {"sextant", "bench"}, .ranks = ranks, .folder = folder_.path()});
  }
  absl::StatusOr<std::vector<RankReport>> RunProcesses(ChildRunner& runner,
                                                       const std::string& script) {
    return RunRanks(
        runner,
        {.arguments = {"/bin/sh", "-c", script, "rank"}, .ranks = 2, .folder = folder_.path()});
  }
  void ExpectError(std::deque<ChildEvent> events, absl::StatusCode code,
                   const std::string& message) {
    ScriptedRunner runner(std::move(events));
    const absl::Status status = Run(runner, 2).status();
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(std::string(status.message()), message);
  }

  const TempDir folder_;
};

TEST_F(RankChildrenTest, TheOthersAreStartedWithTheIdThatTheFirstHasMade) {
  for (int rank = 0; rank < 3; ++rank) {
    Leave(rank, RankReport{.gpu = absl::StrCat("GPU ", rank), .cases = {}});
  }
  ScriptedRunner runner({Ready(), Exited(1, 0), Exited(0, 0), Exited(2, 0)});
  const auto reports = Run(runner, 3);
  ASSERT_TRUE(reports.ok()) << reports.status();
  ASSERT_THAT(*reports, SizeIs(3));
  EXPECT_EQ((*reports)[2].gpu, "GPU 2");
  EXPECT_THAT(runner.started_at, ElementsAre(1, 3, 3, 3));
  EXPECT_THAT(runner.started[0],
              ElementsAre("sextant", "bench", "--rank", "0", "--rank-report", ReportOf(0)));
  EXPECT_THAT(runner.started[2], ElementsAre("sextant", "bench", "--rank", "2", "--rank-report",
                                             ReportOf(2), "--communicator-id", "0badc0de"));
}

TEST_F(RankChildrenTest, ARankThatFailsIsNamedWithItsError) {
  Leave(1, absl::NotFoundError("there is no GPU number 1"));
  ExpectError({Ready(), Exited(1, 1)}, absl::StatusCode::kNotFound,
              "rank 1: there is no GPU number 1");
}

TEST_F(RankChildrenTest, ARankThatDiesIsNamed) {
  ExpectError({Ready(), Exited(1, -9)}, absl::StatusCode::kInternal,
              "rank 1 was ended by signal 9");
  ExpectError({Exited(0, 2)}, absl::StatusCode::kInternal, "rank 0: it has left no report");
  ExpectError({Exited(0, 0)}, absl::StatusCode::kInternal, "rank 0 has ended and made no id");
  ExpectError({Ready(), Exited(1, 0), Exited(0, 0)}, absl::StatusCode::kInternal,
              "rank 0: it has left no report");
}

// Real processes: a shell, to which the flags are $1 and so on.
TEST_F(RankChildrenTest, ProcessesSayTheIdAndLeaveTheirReports) {
  const auto processes = ChildProcesses::Open();
  ASSERT_TRUE(processes.ok()) << processes.status();
  const auto reports = RunProcesses(**processes, R"(
    if [ "$2" = 0 ]; then echo "ready rank cafe"; fi
    echo "{\"gpu\": \"rank $2, id $6\", \"cases\": []}" >"$4")");
  ASSERT_TRUE(reports.ok()) << reports.status();
  ASSERT_THAT(*reports, SizeIs(2));
  EXPECT_EQ((*reports)[0].gpu, "rank 0, id ");
  EXPECT_EQ((*reports)[1].gpu, "rank 1, id cafe");
}

TEST_F(RankChildrenTest, ARankThatWaitsForADeadOneIsNotWaitedFor) {
  const auto processes = ChildProcesses::Open();
  ASSERT_TRUE(processes.ok()) << processes.status();
  const auto reports = RunProcesses(**processes, R"(
    if [ "$2" = 1 ]; then echo '{"code": 5, "error": "gone"}' >"$4"; exit 1; fi
    echo "ready rank cafe"; exec sleep 1000)");
  EXPECT_EQ(reports.status(), absl::NotFoundError("rank 1: gone"));
}

TEST_F(RankChildrenTest, AnInterruptionEndsIt) {
  ExpectError({Ready(), StopRequested()}, absl::StatusCode::kCancelled, "interrupted");
}

}  // namespace
}  // namespace sextant::cli
