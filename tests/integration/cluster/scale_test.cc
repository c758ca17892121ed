// A cluster is scaled up and down while streams run: their bytes are those of one process.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/integration/cluster/running_streams.h"
#include "tests/integration/cluster/up_process.h"
#include "tests/support/run_program.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::string Model() { return std::string(SEXTANT_SOURCE_DIR) + "/tests/golden/model/lite"; }

std::vector<v1::WorkerStatus> ReadyWorkers(const v1::ClusterStatus& status, v1::Role role) {
  std::vector<v1::WorkerStatus> workers;
  for (const v1::WorkerStatus& worker : status.workers()) {
    if (worker.role() == role && worker.state() == "ready") workers.push_back(worker);
  }
  return workers;
}

class ClusterScaleTest : public ::testing::Test {
 protected:
  void Start(int attention, int experts) {
    auto up = UpProcess::Start({.model = Model(), .attention = attention, .experts = experts});
    ASSERT_TRUE(up.ok()) << up.status();
    up_ = *std::move(up);
  }

  ProgramOutcome Sextant(const std::string& arguments) {
    return RunProgram(SEXTANT_PROGRAM, absl::StrCat(arguments, " --router ", up_->target()));
  }

  void Scale(const std::string& role, int count) {
    const ProgramOutcome outcome = Sextant(absl::StrCat("scale ", role, " ", count));
    EXPECT_EQ(outcome.exit_status, 0) << outcome.output;
    EXPECT_THAT(outcome.output, StartsWith("plan "));
    EXPECT_THAT(outcome.output, HasSubstr(absl::StrCat("\ndone     ", count, " ")));
  }

  // The processes of the cluster besides the router.
  std::size_t Processes() { return ChildrenOf(up_->pid()).size() - 1; }

  // In a moment: a worker that was told goodbye has yet to exit.
  void ExpectProcesses(std::size_t count) {
    const auto status = up_->WaitUntil([&](const auto&) { return Processes() == count; });
    EXPECT_TRUE(status.ok()) << Processes() << " processes";
  }

  std::unique_ptr<UpProcess> up_;
};

TEST_F(ClusterScaleTest, StreamsRunOnWhileExpertsScaleFromTwoToFourToOneToTwo) {
  ASSERT_NO_FATAL_FAILURE(Start(1, 2));
  WhileStreamsRun(up_->target(), Model(), [&] {
    for (const int count : {4, 1, 2}) {
      Scale("experts", count);
      const auto status = up_->Status();
      ASSERT_TRUE(status.ok()) << status.status();
      EXPECT_THAT(ReadyWorkers(*status, v1::ROLE_EXPERT), SizeIs(count));
      EXPECT_EQ(status->experts_covered(), 16);
      EXPECT_EQ(status->host().expert_workers(), count);
    }
  });
  // Those that left are not there again.
  ExpectProcesses(3);
}

TEST_F(ClusterScaleTest, StreamsRunOnWhileAttentionWorkersScaleFromOneToTwoToOne) {
  ASSERT_NO_FATAL_FAILURE(Start(1, 1));
  WhileStreamsRun(up_->target(), Model(), [&] {
    Scale("attention", 2);
    Scale("attention", 1);
  });
  ExpectProcesses(2);
}

TEST_F(ClusterScaleTest, DrainTakesOneWorkerOutForGood) {
  ASSERT_NO_FATAL_FAILURE(Start(1, 3));
  const auto status = up_->Status();
  ASSERT_TRUE(status.ok()) << status.status();
  const std::string worker = ReadyWorkers(*status, v1::ROLE_EXPERT).at(1).worker_id();
  const ProgramOutcome outcome = Sextant(absl::StrCat("drain ", worker, " --wait"));
  EXPECT_EQ(outcome.exit_status, 0) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr(worker + " has gone"));
  const auto after = up_->WaitUntil([&](const v1::ClusterStatus& now) {
    return ReadyWorkers(now, v1::ROLE_EXPERT).size() == 2 && now.phase() == "steady" &&
           Processes() == 3;
  });
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->host().expert_workers(), 2);
  EXPECT_THAT(Sextant("drain nobody").output, HasSubstr("there is no worker nobody"));
}

TEST_F(ClusterScaleTest, ADryRunShowsThePlanAndChangesNothing) {
  ASSERT_NO_FATAL_FAILURE(Start(1, 2));
  const ProgramOutcome outcome = Sextant("scale experts 4 --dry-run");
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_THAT(outcome.output, StartsWith("plan     2 -> 4 expert workers: 2 will be started by "
                                         "sextant up (process "));
  EXPECT_THAT(outcome.output, HasSubstr("8 experts ("));
  EXPECT_EQ(Processes(), 3U);
  EXPECT_EQ(Sextant("scale experts 65").exit_status, 2);
}

}  // namespace
}  // namespace sextant
