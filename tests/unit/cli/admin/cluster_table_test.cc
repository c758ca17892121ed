#include "cli/admin/cluster_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nlohmann/json.hpp"
#include "tests/support/small_cluster_status.h"

namespace sextant::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RangesTest, RunsBecomeRanges) {
  EXPECT_EQ(Ranges({}), "-");
  EXPECT_EQ(Ranges({3}), "3");
  EXPECT_EQ(Ranges({0, 1, 2, 5, 7, 8}), "0-2,5,7-8");
}

TEST(ClusterTableTest, ShowsAWorkerOnALine) {
  EXPECT_EQ(ClusterTable(SmallClusterStatus(), false),
            R"(sextant 0.1.0, up 3m12s: steady, epoch 4, 8 of 8 experts held
model - -, bf16, profile cpu-avx2; requests: 0 running, 2 of 256 queued

ROLE       WORKER              ADDRESS      STATE        EPOCH  EXPERTS  CACHE  RUNNING  WAITING  TOKENS/S
attention  attention-box-1-aa  unix:/run/a  ready        4      -        25%    3        0        41.2
expert     expert-box-2-bb     unix:/run/e  silent 0.6s  4      0-7      -      -        -        -
)");
}

TEST(ClusterTableTest, AWholeWorkerHoldsAllExperts) {
  EXPECT_EQ(ClusterTable(WholeClusterStatus(), false),
            R"(sextant 0.1.0, up 3m12s: steady, epoch 0, 8 of 8 experts held
model - -, bf16, profile cuda; requests: 0 running, 2 of 256 queued

ROLE   WORKER          ADDRESS      STATE  EPOCH  EXPERTS  CACHE  RUNNING  WAITING  TOKENS/S
whole  whole-box-3-cc  unix:/run/w  ready  0      all      10%    8        0        2000.0
)");
}

TEST(ClusterTableTest, AColocatedWorkerHasExpertsAndSequences) {
  EXPECT_EQ(ClusterTable(RanksStatus(), false),
            R"(sextant 0.1.0, up 3m12s: steady, epoch 4, 8 of 8 experts held
model - -, bf16, profile cpu-avx2; requests: 0 running, 2 of 256 queued

ROLE       WORKER              ADDRESS      STATE  EPOCH  EXPERTS  CACHE  RUNNING  WAITING  TOKENS/S
colocated  colocated-box-4-dd  unix:/run/a  ready  4      0-3      25%    3        0        41.2
expert     expert-box-2-bb     unix:/run/e  ready  4      4-7      -      -        -        -
)");
}

TEST(ClusterTableTest, EventsComeOnRequest) {
  EXPECT_THAT(ClusterTable(SmallClusterStatus(), false), Not(HasSubstr("something happened")));
  EXPECT_THAT(ClusterTable(SmallClusterStatus(), true), HasSubstr("something happened\n"));
}

TEST(ClusterTableTest, ClusterWithoutWorkersHasNoTable) {
  v1::ClusterStatus status;
  status.set_version("0.1.0");
  status.set_phase("waiting for workers");
  EXPECT_THAT(ClusterTable(status, false), HasSubstr("waiting for workers"));
  EXPECT_THAT(ClusterTable(status, false), Not(HasSubstr("ROLE")));
}

TEST(ClusterJsonTest, HasTheFieldsOfTheMessage) {
  const auto document = nlohmann::json::parse(ClusterJson(SmallClusterStatus()));
  EXPECT_EQ(document["epoch"], 4);
  EXPECT_EQ(document["workers"][0]["role"], "attention");
  EXPECT_EQ(document["workers"][1]["experts"].size(), 8U);
  EXPECT_EQ(document["queue"]["capacity"], 256);
  EXPECT_EQ(document["host"]["whole_workers"], 0);
  EXPECT_EQ(document["events"].size(), 1U);
}

TEST(ClusterJsonTest, BrokenTextOfAWorkerIsReplaced) {
  v1::ClusterStatus status = SmallClusterStatus();
  status.set_numeric_profile("\xff");
  EXPECT_TRUE(nlohmann::json::accept(ClusterJson(status)));
}

}  // namespace
}  // namespace sextant::cli
