// The disturbances themselves: drawn again by the same seed, and fair to the cluster.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "tests/chaos/disturbance_plan.h"
#include "tests/chaos/stall_report.h"

namespace sextant::chaos {
namespace {

using ::testing::ElementsAre;

std::vector<Disturbance> Plan(std::uint64_t seed) {
  return PlanDisturbances({.seed = seed, .scale = {1, 8, 3, 4}});
}

std::string Shown(const std::vector<Disturbance>& plan) {
  std::string text;
  for (const Disturbance& d : plan) {
    text += absl::FormatDuration(d.at) + " " + d.Name() + " " + std::to_string(d.slot) + " " +
            absl::FormatDuration(d.lasting) + "\n";
  }
  return text;
}

TEST(DisturbancePlanTest, ASeedRepeatsIt) {
  EXPECT_EQ(Shown(Plan(7)), Shown(Plan(7)));
  EXPECT_NE(Shown(Plan(7)), Shown(Plan(8)));
}

TEST(DisturbancePlanTest, EveryKindComesUp) {
  std::map<std::string, int> names;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    for (const Disturbance& d : Plan(seed)) ++names[d.Name()];
  }
  for (const char* name :
       {"expert worker killed", "expert worker frozen", "expert worker paused",
        "expert worker starved", "only expert worker killed", "only expert worker paused",
        "attention worker killed", "attention worker frozen", "attention worker paused",
        "attention worker starved", "expert workers scaled"}) {
    EXPECT_GT(names[name], 0) << name;
  }
  EXPECT_EQ(names.count("only expert worker frozen"), 0U);
}

TEST(DisturbancePlanTest, SomeAttentionWorkerIsAlwaysLeftAlone) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    absl::Duration busy_until;
    for (const Disturbance& d : Plan(seed)) {
      if (d.kind == DisturbanceKind::kScale || d.worker != WorkerKind::kAttention) continue;
      EXPECT_GE(d.at, busy_until) << "seed " << seed;
      busy_until = d.at + d.lasting;
    }
  }
}

TEST(DisturbancePlanTest, ADisturbedSlotExists) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    int experts = 4;
    for (const Disturbance& d : Plan(seed)) {
      if (d.kind == DisturbanceKind::kScale) {
        experts = d.experts;
      } else if (d.worker == WorkerKind::kExpert) {
        EXPECT_LT(d.slot, experts) << "seed " << seed << " at " << d.at;
      }
    }
  }
}

TEST(StallReportTest, AGapGoesWithTheDisturbanceThatMadeIt) {
  const absl::Time begin = absl::UnixEpoch();
  const auto at = [begin](double seconds) { return begin + absl::Seconds(seconds); };
  const auto stalls = SortStalls({{.name = "kill", .at = at(10)},
                                  {.name = "freeze", .at = at(12)},
                                  {.name = "kill", .at = at(14)}},
                                 {{.begin = at(9.9), .end = at(10.5)},
                                  {.begin = at(10.1), .end = at(10.2)},
                                  {.begin = at(11.99), .end = at(14.01)},
                                  {.begin = at(13.9), .end = at(15)},
                                  {.begin = at(20), .end = at(20.25)}},
                                 absl::Seconds(2));
  EXPECT_EQ(stalls.at("kill").disturbances, 2);
  EXPECT_THAT(stalls.at("kill").longest,
              ElementsAre(absl::Milliseconds(600), absl::Milliseconds(1100)));
  EXPECT_THAT(stalls.at("freeze").longest, ElementsAre(absl::Milliseconds(2020)));
  EXPECT_THAT(stalls.at("").longest, ElementsAre(absl::Milliseconds(250)));
}

}  // namespace
}  // namespace sextant::chaos
