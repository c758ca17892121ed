// A simulated cluster for tests of the coordinator; what must never happen fails every test.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/router/coordinator/simulated_cluster.h"

namespace sextant {

class CoordinatorTest : public ::testing::Test {
 protected:
  explicit CoordinatorTest(CoordinatorConfig config = {}) : cluster_(std::move(config)) {}
  ~CoordinatorTest() override { EXPECT_THAT(cluster_.violations(), ::testing::IsEmpty()); }

  // Experts e0.. and one attention worker a0, in a committed epoch.
  void StartCluster(int experts) {
    for (int i = 0; i < experts; ++i) cluster_.AddExpert(absl::StrCat("e", i));
    cluster_.AddAttention("a0");
    cluster_.Run(absl::Seconds(1));
    ASSERT_EQ(cluster_.Status().phase(), "steady");
    ASSERT_THAT(cluster_.directory(), ::testing::ElementsAre("a0"));
  }

  // For so long the experts get so many rows in every twentieth of a second, wherever they are.
  void Load(const std::map<int, std::int64_t>& rows, absl::Duration duration) {
    const absl::Time end = cluster_.clock.Now() + duration;
    while (cluster_.clock.Now() < end) {
      const v1::ClusterStatus status = cluster_.Status();
      for (const v1::WorkerStatus& shown : status.workers()) {
        for (const std::int32_t expert : shown.experts()) {
          if (!rows.contains(expert)) continue;
          cluster_.worker(shown.worker_id()).load[expert] += rows.at(expert);
        }
      }
      cluster_.Run(absl::Milliseconds(50));
    }
  }

  std::vector<int> Placed(const std::string& id) {
    const v1::ClusterStatus status = cluster_.Status();
    for (const v1::WorkerStatus& worker : status.workers()) {
      if (worker.worker_id() == id) return {worker.experts().begin(), worker.experts().end()};
    }
    return {};
  }

  std::string State(const std::string& id) {
    const v1::ClusterStatus status = cluster_.Status();
    for (const v1::WorkerStatus& worker : status.workers()) {
      if (worker.worker_id() == id) return worker.state();
    }
    return "none";
  }

  std::vector<std::string> Events() {
    const v1::ClusterStatus status = cluster_.Status();
    return {status.events().begin(), status.events().end()};
  }

  SimulatedCluster cluster_;
};

}  // namespace sextant
