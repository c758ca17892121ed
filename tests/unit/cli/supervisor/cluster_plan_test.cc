#include "cli/supervisor/cluster_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_join.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_dir.h"

namespace sextant::cli {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class ClusterPlanTest : public ::testing::Test {
 protected:
  ClusterPlanTest() {
    for (const char* program : {"router", "attention_worker", "expert_worker", "sextant"}) {
      dir_.Write(program, "#!/bin/sh\n");
      std::filesystem::permissions(dir_.File(program), std::filesystem::perms::owner_all);
    }
    args_ = {.model_dir = "/models/m",
             .program_dir = dir_.path(),
             .runtime_dir = "/run/s",
             .router_target = RouterSocket("/run/s"),
             .processors = 8};
  }

  std::vector<std::string> Names() {
    std::vector<std::string> names;
    const auto plan = PlanCluster(args_);
    EXPECT_TRUE(plan.ok()) << plan.status();
    if (!plan.ok()) return names;
    for (const ChildSpec& child : *plan) names.push_back(child.name);
    return names;
  }

  std::string Line(std::size_t child) {
    const auto plan = PlanCluster(args_);
    if (!plan.ok() || child >= plan->size()) return plan.status().ToString();
    return absl::StrJoin((*plan)[child].arguments, " ") + " ";
  }

  TempDir dir_;
  ClusterPlanArgs args_;
};

TEST_F(ClusterPlanTest, TheRouterComesFirstAndHasASocketOfItsOwn) {
  args_.config.cluster.expert_workers = 3;
  const auto plan = PlanCluster(args_);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(Names(), ElementsAre("router", "attention_worker-1", "expert_worker-1",
                                   "expert_worker-2", "expert_worker-3"));
  EXPECT_EQ(plan->front().kind, ChildKind::kRouter);
  EXPECT_EQ(plan->at(1).kind, ChildKind::kAttentionWorker);
  EXPECT_THAT(Line(0), HasSubstr("/router --model /models/m --log-level info "
                                 "--admin-host 127.0.0.1 --listen 127.0.0.1:7070 --listen "
                                 "unix:/run/s/router.sock --queue 256 "));
}

TEST_F(ClusterPlanTest, ProcessorsAreDividedAmongAttentionWorkersAndTwiceAmongExpertWorkers) {
  args_.config.cluster.attention_workers = 2;
  args_.config.cluster.expert_workers = 3;
  EXPECT_THAT(Line(1), HasSubstr(" --threads 4 "));
  EXPECT_THAT(Line(3), HasSubstr(" --threads 5 "));
  args_.config.cluster.expert_workers = 1;
  EXPECT_THAT(Line(3), HasSubstr(" --threads 8 "));
  args_.config.cluster.expert_workers = 64;
  EXPECT_THAT(Line(3), HasSubstr(" --threads 1 "));
  args_.config.cluster.expert_workers = 3;
  args_.processors = 1;
  EXPECT_THAT(Line(3), HasSubstr(" --threads 1 "));
  args_.config.engine.threads = 6;
  EXPECT_THAT(Line(1), HasSubstr(" --threads 6 "));
  EXPECT_THAT(Line(3), HasSubstr(" --threads 6 "));
}

TEST_F(ClusterPlanTest, SettingsBecomeFlagsOfTheirProgram) {
  args_.config.engine.dtype = Precision::kFp32;
  args_.config.engine.cache_tokens = 99;
  args_.config.router.served_model_name = "lite";
  args_.config.router.rebalance = true;
  args_.config.attention_worker.prefix_cache = false;
  args_.config.attention_worker.listen = {"0.0.0.0:7101"};
  args_.config.expert_worker.admin_port = 9200;
  EXPECT_THAT(Line(0), AllOf(HasSubstr(" --served-model-name lite "), HasSubstr(" --rebalance on "),
                             Not(HasSubstr("fp32"))));
  EXPECT_THAT(Line(1), AllOf(HasSubstr(" --router unix:/run/s/router.sock "),
                             HasSubstr(" --dtype fp32 "), HasSubstr(" --listen 0.0.0.0:7101 "),
                             HasSubstr(" --cache-tokens 99 "), HasSubstr(" --prefix-cache off ")));
  EXPECT_THAT(Line(2), AllOf(HasSubstr(" --dtype fp32 "), Not(HasSubstr("--cache-tokens")),
                             EndsWith(" --admin-port 9200 ")));
  EXPECT_THAT(Line(3), EndsWith(" --admin-port 9201 "));
}

TEST_F(ClusterPlanTest, WholeWorkersAreThisProgramAndHaveAGpuEach) {
  args_.config.cluster = {.whole_workers = 2, .attention_workers = 0, .expert_workers = 0};
  args_.config.engine.device = DeviceChoice::kCuda;
  args_.config.engine.device_memory_bytes = std::int64_t{40} << 30;
  args_.config.engine.cache_tokens = 99;
  args_.config.attention_worker.max_sequences = 7;
  args_.config.attention_worker.admin_port = 9100;
  EXPECT_THAT(Names(), ElementsAre("router", "whole_worker-1", "whole_worker-2"));
  EXPECT_THAT(
      Line(1),
      AllOf(HasSubstr("/sextant worker --model /models/m "),
            HasSubstr(" --router unix:/run/s/router.sock "), HasSubstr(" --threads 4 "),
            HasSubstr(" --cache-tokens 99 "), HasSubstr(" --max-sequences 7 "),
            HasSubstr(" --admin-port 9164 "), HasSubstr(" --role whole "),
            HasSubstr(" --device cuda --device-memory 42949672960 "), EndsWith(" --gpu 0 ")));
  EXPECT_THAT(Line(2), AllOf(HasSubstr(" --admin-port 9165 "), HasSubstr(" --gpu 1 ")));
  const auto added = PlanWorker(args_, ChildKind::kWholeWorker, 5, 6);
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_EQ(added->name, "whole_worker-6");
  EXPECT_THAT(added->arguments, Contains("5"));
}

TEST_F(ClusterPlanTest, ColocatedWorkersAreThisProgramInThatRole) {
  args_.config.cluster = {.colocated_workers = 2, .attention_workers = 0, .expert_workers = 0};
  args_.config.attention_worker.admin_port = 9100;
  EXPECT_THAT(Names(), ElementsAre("router", "colocated_worker-1", "colocated_worker-2"));
  EXPECT_THAT(Line(1), AllOf(HasSubstr("/sextant worker --model /models/m "),
                             HasSubstr(" --admin-port 9228 "), HasSubstr(" --role colocated "),
                             EndsWith(" --gpu 0 ")));
  EXPECT_THAT(Line(2), AllOf(HasSubstr(" --admin-port 9229 "), HasSubstr(" --gpu 1 ")));
  args_.config.attention_worker.admin_port = 65407;
  EXPECT_THAT(MessageOf(PlanCluster(args_)), HasSubstr("must be at most 65406, is 65407"));
}

TEST_F(ClusterPlanTest, AttentionAndExpertWorkersMeetFromBothEndsOfTheGpus) {
  args_.config.cluster = {.attention_workers = 2, .expert_workers = 2};
  args_.config.engine.device = DeviceChoice::kCuda;
  args_.config.engine.expert_slots = 24;
  args_.config.expert_worker.admin_port = 9200;
  EXPECT_THAT(Names(), ElementsAre("router", "attention_worker-1", "attention_worker-2",
                                   "expert_worker-1", "expert_worker-2"));
  EXPECT_THAT(Line(2), AllOf(HasSubstr("/sextant worker --model /models/m "),
                             HasSubstr(" --role attention "), EndsWith(" --gpu 1 ")));
  EXPECT_THAT(Line(4), AllOf(HasSubstr(" --role expert "), HasSubstr(" --admin-port 9201 "),
                             HasSubstr(" --expert-slots 24 --most-ranks 8 --gpu -2 ")));
}

TEST_F(ClusterPlanTest, WholeWorkersComeBeforeThoseBesideThem) {
  args_.config.cluster = {.whole_workers = 1, .attention_workers = 1, .expert_workers = 1};
  EXPECT_THAT(Names(),
              ElementsAre("router", "whole_worker-1", "attention_worker-1", "expert_worker-1"));
  EXPECT_THAT(Line(1), HasSubstr(" --device auto --device-memory 0 "));
  EXPECT_THAT(Line(2), Not(HasSubstr("--device")));
}

TEST_F(ClusterPlanTest, AttentionAndWholeWorkersShareNoPort) {
  args_.config.cluster = {.whole_workers = 2, .attention_workers = 1, .expert_workers = 1};
  args_.config.attention_worker.admin_port = 9100;
  EXPECT_THAT(Line(2), HasSubstr(" --admin-port 9165 "));
  EXPECT_THAT(Line(3), HasSubstr(" --admin-port 9100 "));
  args_.config.attention_worker.admin_port = 65470;
  EXPECT_THAT(Line(2), HasSubstr(" --admin-port 65535 "));
  args_.config.attention_worker.admin_port = 65471;
  EXPECT_THAT(MessageOf(PlanCluster(args_)), HasSubstr("must be at most 65470, is 65471"));
  args_.config.attention_worker.admin_port = -1;
  EXPECT_THAT(Line(2), HasSubstr(" --admin-port -1 "));

  args_.config.attention_worker.listen = {"127.0.0.1:0"};
  EXPECT_THAT(Line(1), HasSubstr(" --listen 127.0.0.1:0 "));
  args_.config.attention_worker.listen.emplace_back("0.0.0.0:7101");
  EXPECT_THAT(MessageOf(PlanCluster(args_)), HasSubstr("cannot all listen at 0.0.0.0:7101"));
  args_.config.cluster.attention_workers = args_.config.cluster.expert_workers = 0;
  EXPECT_THAT(Line(1), HasSubstr(" --listen 0.0.0.0:7101 "));
}

TEST_F(ClusterPlanTest, AMissingProgramIsNamed) {
  std::filesystem::remove(dir_.File("expert_worker"));
  EXPECT_THAT(MessageOf(PlanCluster(args_)), HasSubstr("/expert_worker is missing"));
}

}  // namespace
}  // namespace sextant::cli
