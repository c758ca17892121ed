#include "cli/supervisor/node_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_join.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_dir.h"

namespace sextant::cli {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class NodePlanTest : public ::testing::Test {
 protected:
  NodePlanTest() {
    for (const char* program : {"attention_worker", "expert_worker", "sextant"}) {
      dir_.Write(program, "");
      std::filesystem::permissions(dir_.File(program), std::filesystem::perms::owner_all);
    }
    args_.program_dir = dir_.path();
    args_.runtime_dir = "/run/s";
    args_.processors = 8;
    args_.config.node.model = "/models/m";
    args_.config.node.router = "host-1:7070";
  }

  std::string Line(ChildKind kind, std::int64_t index) {
    const auto worker = PlanNodeWorker(args_, kind, index, 2);
    if (!worker.ok()) return worker.status().ToString();
    return absl::StrJoin(worker->arguments, " ") + " ";
  }

  const TempDir dir_;
  NodePlanArgs args_;
};

TEST_F(NodePlanTest, WorkersJoinTheRouterElsewhere) {
  EXPECT_THAT(Line(ChildKind::kAttentionWorker, 0),
              AllOf(HasSubstr(" --model /models/m "), HasSubstr(" --router host-1:7070 "),
                    HasSubstr(" --threads 4 "), Not(HasSubstr("--listen"))));
}

TEST_F(NodePlanTest, AnAddressHasAPortForEachAndASocketForThisHost) {
  args_.address = "10.0.0.7";
  args_.config.node.worker_port = 7200;
  EXPECT_THAT(Line(ChildKind::kAttentionWorker, 1),
              HasSubstr(" --listen 10.0.0.7:7201 --listen unix:/run/s/attention-2.sock "));
  EXPECT_THAT(Line(ChildKind::kExpertWorker, 1),
              HasSubstr(" --listen 10.0.0.7:7265 --listen unix:/run/s/expert-2.sock "));
  EXPECT_THAT(Line(ChildKind::kWholeWorker, 1),
              AllOf(HasSubstr(" --listen 10.0.0.7:7329 --listen unix:/run/s/whole-2.sock "),
                    HasSubstr(" --gpu 1 ")));
  EXPECT_THAT(Line(ChildKind::kColocatedWorker, 1),
              AllOf(HasSubstr(" --listen 10.0.0.7:7393 --listen unix:/run/s/colocated-2.sock "),
                    HasSubstr(" --role colocated "), HasSubstr(" --gpu 1 ")));
  args_.config.node.worker_port = 0;
  args_.address = "fd00::7";
  EXPECT_THAT(Line(ChildKind::kExpertWorker, 1), HasSubstr(" --listen [fd00::7]:0 "));
}

TEST_F(NodePlanTest, MetricsPagesHavePortsInTheSameOrder) {
  args_.config.node.worker_admin_port = 9500;
  EXPECT_THAT(Line(ChildKind::kAttentionWorker, 3), EndsWith(" --admin-port 9503 "));
  EXPECT_THAT(Line(ChildKind::kExpertWorker, 3), EndsWith(" --admin-port 9567 "));
  EXPECT_THAT(Line(ChildKind::kWholeWorker, 3), HasSubstr(" --admin-port 9631 "));
  EXPECT_THAT(Line(ChildKind::kColocatedWorker, 3), HasSubstr(" --admin-port 9695 "));
  args_.config.node.worker_admin_port = -1;
  EXPECT_THAT(Line(ChildKind::kExpertWorker, 3), EndsWith(" --admin-port -1 "));
}

TEST_F(NodePlanTest, AMissingProgramIsNamed) {
  std::filesystem::remove(dir_.File("expert_worker"));
  EXPECT_THAT(MessageOf(PlanNodeWorker(args_, ChildKind::kExpertWorker, 0, 1)),
              HasSubstr("/expert_worker is missing"));
}

}  // namespace
}  // namespace sextant::cli
