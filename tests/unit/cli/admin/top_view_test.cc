#include "cli/admin/top_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/support/small_cluster_status.h"

namespace sextant::cli {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// Three of the experts are held, and two of them are hot.
v1::ClusterStatus Cluster() {
  v1::ClusterStatus status = SmallClusterStatus();
  status.set_phase("waiting for workers");
  v1::WorkerStatus& expert = *status.mutable_workers(1);
  expert.clear_experts();
  for (const int held : {1, 2, 7}) expert.add_experts(held);
  for (const double load : {50.0, 100.0, 50.0, 0.0, 0.0, 0.0, 0.0, 0.0}) {
    status.add_expert_load(load);
  }
  for (int i = 0; i < 32; ++i) status.add_events(absl::StrCat("event ", i));
  return status;
}

TEST(TopViewTest, HeatShowsWhatIsHeldByItsLoad) {
  EXPECT_EQ(HeatRow(Cluster().workers(1), Cluster(), 64), " @+    .");
}

TEST(TopViewTest, NeighboursShareACellWhereTheScreenIsNarrow) {
  EXPECT_EQ(HeatRow(Cluster().workers(1), Cluster(), 4), "@+ .");
}

TEST(TopViewTest, HeatOfNoExpertsIsEmpty) { EXPECT_EQ(HeatRow({}, v1::ClusterStatus(), 64), ""); }

TEST(TopViewTest, TheScreenHasEverythingAndFits) {
  const std::vector<std::string> lines = TopScreen(Cluster(), {.columns = 100, .rows = 24});
  EXPECT_THAT(lines, SizeIs(::testing::Le(24)));
  for (const std::string& line : lines) EXPECT_LE(line.size(), 100U) << line;
  EXPECT_THAT(lines, Contains(HasSubstr("tokens/s 41.2  sequences 3 running")));
  EXPECT_THAT(lines, Contains(HasSubstr("[#####               ] 25%")));
  EXPECT_THAT(lines, Contains(HasSubstr(" 150 ")));  // rows per second of the expert worker
  EXPECT_EQ(lines.back(), "event 31");
}

TEST(TopViewTest, ASmallScreenIsCutOff) {
  const std::vector<std::string> lines = TopScreen(Cluster(), {.columns = 20, .rows = 3});
  EXPECT_THAT(lines, SizeIs(3));
  EXPECT_THAT(lines, Each(SizeIs(::testing::Le(20))));
}

TEST(TopViewTest, ALineIsForPrograms) {
  EXPECT_EQ(
      TopLine(Cluster()),
      "epoch=4 phase=waiting-for-workers tokens/s=41.2 running=3 waiting=0 queued=2 cache=25% "
      "attention=1 expert=1 whole=0 covered=8/8");
}

TEST(TopViewTest, AClusterOfWholeWorkersSpeaksOfNoOthers) {
  const std::vector<std::string> lines =
      TopScreen(WholeClusterStatus(), {.columns = 100, .rows = 24});
  EXPECT_THAT(lines, Contains(HasSubstr("WHOLE, ALL EXPERTS")));
  EXPECT_THAT(lines, Contains(HasSubstr("[##                  ] 10%")));
  EXPECT_THAT(lines, Contains(HasSubstr("8 of 8 experts held")));
  EXPECT_THAT(lines, Each(Not(HasSubstr("ATTENTION"))));
  EXPECT_THAT(lines, Each(Not(HasSubstr("HELD"))));
  EXPECT_THAT(TopLine(WholeClusterStatus()), HasSubstr("attention=0 expert=0 whole=1 "));
}

TEST(TopViewTest, ColocatedWorkersHaveSequencesAndExperts) {
  v1::ClusterStatus status = RanksStatus();
  status.mutable_change()->set_epoch(4);
  status.mutable_change()->set_phase("done");
  status.mutable_change()->set_halt_seconds(0.003);
  const std::vector<std::string> lines = TopScreen(status, {.columns = 100, .rows = 24});
  EXPECT_THAT(lines, Contains(HasSubstr("COLOCATED")));
  EXPECT_THAT(lines, Contains(HasSubstr("; halt 3 ms; prepare 0")));
  EXPECT_THAT(lines, Each(Not(HasSubstr("ATTENTION"))));
  const auto named = [](const std::string& line) {
    return line.find("colocated-box-4-dd") != std::string::npos;
  };
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(), named), 2);
  EXPECT_THAT(TopLine(status), HasSubstr("attention=0 expert=1 whole=0 colocated=1 covered=8/8"));
}

TEST(TopViewTest, WholeWorkersBesideOthersComeFirst) {
  v1::ClusterStatus status = SmallClusterStatus();
  *status.add_workers() = WholeClusterStatus().workers(0);
  const std::vector<std::string> lines = TopScreen(status, {.columns = 100, .rows = 24});
  EXPECT_THAT(lines, Contains(HasSubstr("WHOLE, ALL EXPERTS")));
  EXPECT_THAT(lines, Contains(HasSubstr("attention-box-1-aa")));
  EXPECT_THAT(lines, Contains(HasSubstr("expert-box-2-bb")));
}

}  // namespace
}  // namespace sextant::cli
