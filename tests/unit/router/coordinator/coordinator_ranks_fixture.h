// A simulated cluster of ranks.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "tests/unit/router/coordinator/coordinator_fixture.h"

namespace sextant {

class CoordinatorRanksTest : public CoordinatorTest {
 protected:
  explicit CoordinatorRanksTest(CoordinatorConfig config = {})
      : CoordinatorTest(std::move(config)) {}

  // By the first letter of its name: "a0" attends, "e0" holds experts, "c0" does both.
  SimulatedWorker& AddRank(const std::string& id) {
    const v1::Role role = id.front() == 'a'   ? v1::ROLE_ATTENTION
                          : id.front() == 'e' ? v1::ROLE_EXPERT
                                              : v1::ROLE_COLOCATED;
    return cluster_.AddRank(role, id);
  }

  void StartRanks(const std::vector<std::string>& ids) {
    for (const std::string& id : ids) AddRank(id);
    cluster_.Run(absl::Seconds(1));
    ASSERT_EQ(cluster_.Status().phase(), "steady");
    ASSERT_EQ(cluster_.Status().epoch(), 1U);
    ASSERT_EQ(Halts(), 0);
  }

  void Die(const std::string& id) { cluster_.Kill(cluster_.worker(id)); }

  // Everything between the coordinator and this worker arrives.
  void DeliverAll(const std::string& id) {
    SimulatedWorker& worker = cluster_.worker(id);
    while (cluster_.DeliverToWorker(worker) || cluster_.DeliverToCoordinator(worker)) {
    }
  }
  // And with everybody but `last`, for so long as the phase is the same.
  void DeliverAllBut(const std::string& last) {
    std::vector<std::string> ids;
    for (const auto& [id, worker] : cluster_.workers()) {
      if (id != last) ids.push_back(id);
    }
    const std::string phase = cluster_.Status().phase();
    for (const std::string& id : ids) {
      if (cluster_.Status().phase() == phase) DeliverAll(id);
    }
  }
  // Time passes with everything delivered, until a change begins.
  void RunUntil(const std::string& phase) {
    for (int i = 0; i < 200 && cluster_.Status().phase() != phase; ++i) {
      cluster_.DeliverEverything();
      cluster_.Pass(absl::Milliseconds(20));
    }
    ASSERT_EQ(cluster_.Status().phase(), phase);
  }
  // `last` alone has not answered in the phase before, and does so now.
  void AnswerUntil(const std::string& last, const std::string& phase) {
    SimulatedWorker& worker = cluster_.worker(last);
    while (cluster_.Status().phase() != phase) {
      ASSERT_TRUE(cluster_.DeliverToWorker(worker) || cluster_.DeliverToCoordinator(worker));
    }
  }

  std::uint64_t Entered(const std::string& id) { return cluster_.worker(id).rank.entered; }
  // Of the epoch that it has committed: "a0 e0" or, for those that attend, with a star.
  std::string RanksBy(const std::string& id) {
    std::vector<std::string> shown;
    for (const v1::PlacedWorker& rank : cluster_.worker(id).committed.ranks()) {
      shown.push_back(rank.worker_id() + (rank.attends() ? "*" : ""));
    }
    return absl::StrJoin(shown, " ");
  }
  // Phases of halt that were gone through.
  int Halts() const {
    const auto found = cluster_.phases().find("halt");
    return found == cluster_.phases().end() ? 0 : found->second;
  }
};

}  // namespace sextant
