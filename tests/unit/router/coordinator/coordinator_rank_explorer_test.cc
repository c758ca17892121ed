// Random histories of a cluster of ranks: joins, deaths, silences, returns, drains, scaling, other
// settings, preparations that fail, restarts of the router, a whole worker beside them, messages
// that come late, twice or in any order between streams. SimulatedCluster checks what must hold,
// and a planted bug shows that it does.
//
// SEXTANT_EXPLORE_RUNS sets how many; a failure prints the seed, and SEXTANT_EXPLORE_SEED=N runs
// that one alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/unit/router/coordinator/simulated_cluster.h"

namespace sextant {
namespace {

class RankExplorer {
 public:
  explicit RankExplorer(std::uint64_t seed) : random_(seed), cluster_(Config(seed)) {
    // Every run has its own mood: how often time passes, and how often things break.
    patience_ = 4 + Pick(24);
    trouble_ = 1 + Pick(8);
    for (int i = 1 + Pick(6); i > 0; --i) Join();
  }

  void Run(int steps) {
    for (int i = 0; i < steps; ++i) Step();
    Heal();
    cluster_.Run(absl::Seconds(12));
    cluster_.CheckSteady();
  }

  SimulatedCluster& cluster() { return cluster_; }
  [[nodiscard]] int epochs() const { return epochs_; }

 private:
  static CoordinatorConfig Config(std::uint64_t seed) {
    CoordinatorConfig config;
    if (seed % 2 == 0) config.settle = absl::Milliseconds(20);
    if (seed % 3 == 0) config.placement.replicas = static_cast<int>(1 + seed % 8);
    if (seed % 5 == 0) config.placement.spare_slots = 2;
    if (seed % 4 == 0) config.expected_expert_workers = 2;
    config.expected_limit = absl::Seconds(4);
    return config;
  }

  int Pick(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random_); }

  SimulatedWorker* AnyWorker() {
    auto& workers = cluster_.workers();
    if (workers.empty()) return nullptr;
    auto it = workers.begin();
    std::advance(it, Pick(static_cast<int>(workers.size())));
    return &it->second;
  }

  void Step() {
    if (Pick(patience_) == 0) {
      cluster_.Pass(absl::Milliseconds(1 + Pick(100)));
    } else if (Pick(100) < trouble_) {
      MakeTrouble();
    } else {
      Deliver();
    }
  }

  void Deliver() {
    SimulatedWorker* worker = AnyWorker();
    if (worker == nullptr) return Join();
    const int kind = Pick(8);
    if (kind == 0) {
      cluster_.HearOfEnds();
    } else if (worker->stream == 0) {
      if (!worker->frozen && !worker->over.has_value()) cluster_.Dial(*worker);
    } else {
      for (int i = Pick(6); i >= 0; --i) {
        if (!(kind < 4 ? cluster_.DeliverToWorker(*worker)
                       : cluster_.DeliverToCoordinator(*worker))) {
          break;
        }
      }
    }
  }

  void MakeTrouble() {
    SimulatedWorker* worker = AnyWorker();
    const int kind = Pick(32);
    if (worker == nullptr || kind < 9) return Join();
    if (kind < 12) return cluster_.Kill(*worker);
    if (kind < 15) {
      worker->frozen = !worker->frozen;
    } else if (kind < 18) {
      if (worker->welcomed && !worker->leaving) cluster_.Leave(*worker);
    } else if (kind < 20) {
      for (int i = Pick(6); i >= 0 && cluster_.sent_count() > 0; --i) {
        cluster_.DeliverAgain(
            static_cast<std::size_t>(Pick(static_cast<int>(cluster_.sent_count()))));
      }
    } else if (kind < 22) {
      worker->fails_to_prepare = !worker->fails_to_prepare;
    } else if (kind < 24) {
      // Sequences come to those that may be given some.
      const std::vector<std::string> ready = cluster_.directory();
      const bool may_run =
          std::find(ready.begin(), ready.end(), worker->hello.worker_id()) != ready.end();
      worker->running = worker->running == 0 && may_run ? 1 : 0;
    } else if (kind < 25) {
      static_cast<void>(cluster_.coordinator().Drain(worker->hello.worker_id()));
    } else if (kind < 27) {
      if (Pick(6) != 0) return;
      epochs_ += cluster_.epochs_begun();
      cluster_.RestartRouter();
    } else if (kind < 29) {
      Scale();
    } else if (kind < 30) {
      cluster_.SetPlacement({.spare_slots = Pick(3), .replicas = std::max(0, Pick(12) - 3)});
    } else {
      worker->starting = false;
    }
  }

  void Scale() {
    const int kind = Pick(3);
    const v1::Role role = kind == 0   ? v1::ROLE_EXPERT
                          : kind == 1 ? v1::ROLE_ATTENTION
                                      : v1::ROLE_COLOCATED;
    std::uint64_t number = 0;
    static_cast<void>(cluster_.coordinator().Scale(role, 1 + Pick(4), number).status());
  }

  void Join() {
    if (cluster_.workers().size() >= 9) return;
    const int number = ++joined_;
    const int kind = Pick(12);
    SimulatedWorker& worker =
        kind < 1   ? cluster_.AddWhole(absl::StrCat("w", number))
        : kind < 5 ? cluster_.AddRank(v1::ROLE_COLOCATED, absl::StrCat("c", number))
        : kind < 8 ? cluster_.AddRank(v1::ROLE_ATTENTION, absl::StrCat("a", number))
                   : cluster_.AddRank(v1::ROLE_EXPERT, absl::StrCat("e", number));
    worker.starting = Pick(6) == 0;
  }

  void Heal() {
    for (auto& [id, worker] : cluster_.workers()) {
      worker.frozen = false;
      worker.starting = false;
      worker.fails_to_prepare = false;
      worker.running = 0;
    }
    epochs_ += cluster_.epochs_begun();
  }

  std::mt19937_64 random_;
  SimulatedCluster cluster_;
  int patience_ = 1;
  int trouble_ = 0;
  int joined_ = 0;
  int epochs_ = 0;
};

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(CoordinatorRankExplorerTest, InvariantsHoldInRandomHistories) {
  const std::uint64_t one_seed = FromEnvironment("SEXTANT_EXPLORE_SEED", 0);
  const std::uint64_t runs = one_seed != 0 ? 1 : FromEnvironment("SEXTANT_EXPLORE_RUNS", 1000);
  std::int64_t epochs = 0;
  std::map<std::string, int> causes;
  std::map<std::string, int> phases;
  for (std::uint64_t run = 1; run <= runs; ++run) {
    const std::uint64_t seed = one_seed != 0 ? one_seed : run;
    RankExplorer explorer(seed);
    explorer.Run(5000);
    epochs += explorer.epochs();
    for (const auto& [cause, count] : explorer.cluster().causes()) causes[cause] += count;
    for (const auto& [phase, count] : explorer.cluster().phases()) phases[phase] += count;
    ASSERT_THAT(explorer.cluster().violations(), ::testing::IsEmpty())
        << "SEXTANT_EXPLORE_SEED=" << seed << " shows it again";
  }
  // The histories must be worth their name.
  if (one_seed == 0) {
    EXPECT_GT(epochs, 3 * static_cast<std::int64_t>(runs));
    EXPECT_GT(phases["halt"], static_cast<int>(runs));
    EXPECT_GT(phases["retire"], static_cast<int>(runs));
    for (const char* cause : {"start", "join", "leave", "death", "scale", "settings"}) {
      EXPECT_GT(causes[cause], 0) << cause;
    }
  }
  for (const auto& [cause, count] : causes) RecordProperty("epochs_" + cause, absl::StrCat(count));
  for (const auto& [phase, count] : phases) RecordProperty("phase_" + phase, absl::StrCat(count));
  RecordProperty("epochs", absl::StrCat(epochs));
}

TEST(CoordinatorRankExplorerTest, FindsARankThatWasNotHalted) {
  bool found = false;
  for (std::uint64_t seed = 1; seed <= 300 && !found; ++seed) {
    RankExplorer explorer(seed);
    explorer.cluster().bug = SimulatedCluster::PlantedBug::kSkipHalts;
    explorer.Run(5000);
    for (const std::string& violation : explorer.cluster().violations()) {
      found = found || violation.find("is told to prepare while") != std::string::npos;
    }
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace sextant
