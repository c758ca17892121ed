// A cluster of whole workers: the bytes of a split one, through deaths and scaling.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/address_sanitizer.h"
#include "tests/integration/cluster/asked_requests.h"
#include "tests/integration/cluster/running_streams.h"
#include "tests/integration/cluster/up_process.h"
#include "tests/support/run_program.h"
#include "tests/support/temp_dir.h"

namespace sextant {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Enough for something to happen in the middle; a sanitized worker is many times slower.
constexpr int kTokens = kAddressSanitizer ? 100 : 400;
// Whole workers would take a GPU where there is one, whose bits are others.
constexpr char kOnCpu[] = "engine:\n  device: cpu\n";

std::string Lite() { return std::string(SEXTANT_SOURCE_DIR) + "/tests/golden/model/lite"; }
std::string Demo() { return std::string(SEXTANT_SOURCE_DIR) + "/models/demo"; }

std::vector<int> ReadyPids(const v1::ClusterStatus& status) {
  std::vector<int> pids;
  for (const v1::WorkerStatus& worker : status.workers()) {
    if (worker.role() == v1::ROLE_WHOLE && worker.state() == "ready") {
      pids.push_back(static_cast<int>(worker.pid()));
    }
  }
  return pids;
}

class ClusterWholeTest : public ::testing::Test {
 protected:
  void Start(const std::string& model, int whole) {
    auto up = UpProcess::Start(
        {.model = model, .attention = 0, .experts = 0, .whole = whole, .yaml = kOnCpu});
    ASSERT_TRUE(up.ok()) << up.status();
    up_ = *std::move(up);
  }

  ProgramOutcome Sextant(const std::string& arguments) {
    return RunProgram(SEXTANT_PROGRAM, absl::StrCat(arguments, " --router ", up_->target()));
  }

  void Scale(int count) {
    const ProgramOutcome outcome = Sextant(absl::StrCat("scale whole ", count));
    EXPECT_EQ(outcome.exit_status, 0) << outcome.output;
    EXPECT_THAT(outcome.output, StartsWith("plan "));
    EXPECT_THAT(outcome.output, HasSubstr(absl::StrCat("\ndone     ", count, " whole worker")));
    const auto status = up_->Status();
    ASSERT_TRUE(status.ok()) << status.status();
    EXPECT_THAT(ReadyPids(*status), SizeIs(count));
    EXPECT_EQ(status->host().whole_workers(), count);
  }

  std::unique_ptr<UpProcess> up_;
};

TEST_F(ClusterWholeTest, TwoOfThemAnswerAsASplitClusterDoes) {
  const auto requests = MakeRequests(16, 250, 24);
  absl::StatusOr<std::vector<GotAnswer>> split;
  {
    const auto up = UpProcess::Start({.model = Demo(), .attention = 1, .experts = 2});
    ASSERT_TRUE(up.ok()) << up.status();
    split = AskCluster((*up)->target(), requests);
  }
  ASSERT_TRUE(split.ok()) << split.status();
  ASSERT_NO_FATAL_FAILURE(Start(Demo(), 2));
  const auto whole = AskCluster(up_->target(), requests);
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(*whole, *split);
  const auto status = up_->Status();
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_THAT(ReadyPids(*status), SizeIs(2));
  EXPECT_EQ(status->epoch(), 0U);
  EXPECT_EQ(status->phase(), "steady");
  EXPECT_EQ(status->experts_covered(), status->model().num_experts());
  EXPECT_THAT(ChildrenOf(up_->pid()), SizeIs(3));
}

TEST_F(ClusterWholeTest, NoStreamDiesWithOneOfTwo) {
  const auto requests = MakeRequests(8, 250, kTokens);
  const auto wanted = AskOneProcess(Lite(), requests);
  ASSERT_TRUE(wanted.ok()) << wanted.status();
  ASSERT_NO_FATAL_FAILURE(Start(Lite(), 2));
  const auto before = up_->Status();
  ASSERT_TRUE(before.ok()) << before.status();
  ASSERT_THAT(ReadyPids(*before), SizeIs(2));
  const int victim = ReadyPids(*before).front();
  const auto got = AskCluster(up_->target(), requests, [&] { kill(victim, SIGKILL); });
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(*got, *wanted);
  // Another one takes its place.
  const auto again = up_->WaitUntil([&](const v1::ClusterStatus& status) {
    const std::vector<int> pids = ReadyPids(status);
    return pids.size() == 2 && std::count(pids.begin(), pids.end(), victim) == 0;
  });
  EXPECT_TRUE(again.ok()) << again.status();
}

TEST_F(ClusterWholeTest, TheOnlyOneIsWaitedForWhenItDies) {
  ASSERT_NO_FATAL_FAILURE(Start(Lite(), 1));
  const auto requests = MakeRequests(4, 250, kTokens);
  const auto wanted = AskOneProcess(Lite(), requests);
  ASSERT_TRUE(wanted.ok()) << wanted.status();
  const auto before = up_->Status();
  ASSERT_TRUE(before.ok()) << before.status();
  const auto got =
      AskCluster(up_->target(), requests, [&] { kill(ReadyPids(*before).at(0), SIGKILL); });
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(*got, *wanted);
}

TEST_F(ClusterWholeTest, StreamsRunOnWhileTheyScaleFromOneToThreeToOne) {
  ASSERT_NO_FATAL_FAILURE(Start(Lite(), 1));
  WhileStreamsRun(up_->target(), Lite(), [&] {
    Scale(3);
    Scale(1);
  });
  // The other two are not there again: the router and one remain.
  const auto status =
      up_->WaitUntil([&](const auto&) { return ChildrenOf(up_->pid()).size() == 2; });
  EXPECT_TRUE(status.ok()) << status.status();
}

TEST_F(ClusterWholeTest, ItIsShownThatTheyHoldAllExperts) {
  ASSERT_NO_FATAL_FAILURE(Start(Lite(), 1));
  const ProgramOutcome status = Sextant("status");
  EXPECT_EQ(status.exit_status, 0);
  EXPECT_THAT(status.output, AllOf(HasSubstr("16 of 16 experts held"), HasSubstr("\nwhole  whole-"),
                                   HasSubstr(" all ")));
  const ProgramOutcome scaled = Sextant("scale experts 2");
  EXPECT_EQ(scaled.exit_status, 1);
  EXPECT_THAT(scaled.output, HasSubstr("sextant scale whole N"));
}

TEST(UpTest, WorkersThatCannotBeAreRefusedBeforeAnythingStarts) {
  const TempDir dir;
  const std::string config = dir.Write("gpu.yaml", "engine: {device: cuda}\n");
  ProgramOutcome outcome =
      RunProgram(SEXTANT_PROGRAM, "up --whole 1 --attention 1 --experts 1 --config " + config);
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("would take the same GPUs"));
  outcome = RunProgram(SEXTANT_PROGRAM, "up --whole 1 --experts 1 --config " + config);
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("they need each other"));
}

}  // namespace
}  // namespace sextant
