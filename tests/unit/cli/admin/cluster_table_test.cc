#include "cli/admin/cluster_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nlohmann/json.hpp"

namespace sextant::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::ClusterStatus SmallCluster() {
  v1::ClusterStatus status;
  status.set_version("0.1.0");
  status.set_phase("steady");
  status.set_epoch(4);
  status.set_experts_covered(8);
  status.set_uptime_seconds(192.7);
  status.set_numeric_profile("cpu-avx2");
  status.mutable_model()->set_dtype("bf16");
  status.mutable_model()->set_num_experts(8);
  status.mutable_queue()->set_queued(2);
  status.mutable_queue()->set_capacity(256);
  v1::WorkerStatus& attention = *status.add_workers();
  attention.set_role(v1::ROLE_ATTENTION);
  attention.set_worker_id("attention-box-1-aa");
  attention.set_target("unix:/run/a");
  attention.set_state("ready");
  attention.set_epoch(4);
  attention.set_cache_blocks(200);
  attention.set_free_blocks(150);
  attention.set_running(3);
  attention.set_tokens_per_second(41.25);
  v1::WorkerStatus& expert = *status.add_workers();
  expert.set_role(v1::ROLE_EXPERT);
  expert.set_worker_id("expert-box-2-bb");
  expert.set_target("unix:/run/e");
  expert.set_state("silent");
  expert.set_silent_seconds(0.62);
  expert.set_epoch(4);
  for (int i = 0; i < 8; ++i) expert.add_experts(i);
  status.add_events("2026-01-01T00:00:00.000Z something happened");
  return status;
}

TEST(RangesTest, RunsBecomeRanges) {
  EXPECT_EQ(Ranges({}), "-");
  EXPECT_EQ(Ranges({3}), "3");
  EXPECT_EQ(Ranges({0, 1, 2, 5, 7, 8}), "0-2,5,7-8");
}

TEST(ClusterTableTest, ShowsAWorkerOnALine) {
  EXPECT_EQ(ClusterTable(SmallCluster(), false),
            R"(sextant 0.1.0, up 3m12s: steady, epoch 4, 8 of 8 experts held
model - -, bf16, profile cpu-avx2; requests: 0 running, 2 of 256 queued

ROLE       WORKER              ADDRESS      STATE        EPOCH  EXPERTS  CACHE  RUNNING  WAITING  TOKENS/S
attention  attention-box-1-aa  unix:/run/a  ready        4      -        25%    3        0        41.2
expert     expert-box-2-bb     unix:/run/e  silent 0.6s  4      0-7      -      -        -        -
)");
}

TEST(ClusterTableTest, EventsComeOnRequest) {
  EXPECT_THAT(ClusterTable(SmallCluster(), false), Not(HasSubstr("something happened")));
  EXPECT_THAT(ClusterTable(SmallCluster(), true), HasSubstr("something happened\n"));
}

TEST(ClusterTableTest, ClusterWithoutWorkersHasNoTable) {
  v1::ClusterStatus status;
  status.set_version("0.1.0");
  status.set_phase("waiting for workers");
  EXPECT_THAT(ClusterTable(status, false), HasSubstr("waiting for workers"));
  EXPECT_THAT(ClusterTable(status, false), Not(HasSubstr("ROLE")));
}

TEST(ClusterJsonTest, HasTheFieldsOfTheMessage) {
  const auto document = nlohmann::json::parse(ClusterJson(SmallCluster()));
  EXPECT_EQ(document["epoch"], 4);
  EXPECT_EQ(document["workers"][0]["role"], "attention");
  EXPECT_EQ(document["workers"][1]["experts"].size(), 8U);
  EXPECT_EQ(document["queue"]["capacity"], 256);
  EXPECT_EQ(document["events"].size(), 1U);
}

TEST(ClusterJsonTest, BrokenTextOfAWorkerIsReplaced) {
  v1::ClusterStatus status = SmallCluster();
  status.set_numeric_profile("\xff");
  EXPECT_TRUE(nlohmann::json::accept(ClusterJson(status)));
}

}  // namespace
}  // namespace sextant::cli
