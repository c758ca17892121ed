// Random histories: joins, deaths, silences, returns, drains, restarts of the router, messages that
// come late, twice or in any order between streams. SimulatedCluster checks what must hold.
//
// SEXTANT_EXPLORE_RUNS sets how many; a failure prints the seed, and SEXTANT_EXPLORE_SEED=N runs
// that one alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/unit/router/coordinator/simulated_cluster.h"

namespace sextant {
namespace {

class Explorer {
 public:
  explicit Explorer(std::uint64_t seed) : random_(seed), cluster_(Config(seed)) {
    // Every run has its own mood: how often time passes, and how often things break.
    patience_ = 4 + Pick(24);
    trouble_ = Pick(6);
    for (int i = Pick(7); i > 0; --i) Join();
  }

  void Run(int steps) {
    for (int i = 0; i < steps; ++i) Step();
    Heal();
    cluster_.Run(absl::Seconds(12));
    cluster_.CheckSteady();
  }

  [[nodiscard]] std::vector<std::string> violations() const { return cluster_.violations(); }
  [[nodiscard]] int epochs() const { return epochs_; }
  [[nodiscard]] int retires() const { return cluster_.retires_sent(); }

 private:
  static CoordinatorConfig Config(std::uint64_t seed) {
    CoordinatorConfig config;
    if (seed % 2 == 0) config.settle = absl::Milliseconds(20);
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
    const int kind = Pick(24);
    if (worker == nullptr || kind < 7) return Join();
    if (kind < 10) return cluster_.Kill(*worker);
    if (kind < 14) {
      worker->frozen = !worker->frozen;
    } else if (kind < 16) {
      if (worker->welcomed && !worker->leaving && Pick(2) == 0) cluster_.Leave(*worker);
    } else if (kind < 18) {
      for (int i = Pick(6); i >= 0 && cluster_.sent_count() > 0; --i) {
        cluster_.DeliverAgain(
            static_cast<std::size_t>(Pick(static_cast<int>(cluster_.sent_count()))));
      }
    } else if (kind < 20) {
      worker->fails_to_prepare = !worker->fails_to_prepare;
    } else if (kind < 21) {
      worker->starting = false;
    } else if (kind < 22) {
      static_cast<void>(cluster_.coordinator().Drain(worker->hello.worker_id()));
    } else if (kind < 23 && Pick(3) == 0) {
      epochs_ += cluster_.epochs_begun();
      cluster_.RestartRouter();
    }
  }

  void Join() {
    if (cluster_.workers().size() >= 9) return;
    const int number = ++joined_;
    SimulatedWorker& worker = Pick(3) == 0 ? cluster_.AddAttention(absl::StrCat("a", number))
                                           : cluster_.AddExpert(absl::StrCat("e", number));
    worker.starting = Pick(6) == 0;
  }

  void Heal() {
    for (auto& [id, worker] : cluster_.workers()) {
      worker.frozen = false;
      worker.starting = false;
      worker.fails_to_prepare = false;
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

TEST(CoordinatorExplorerTest, InvariantsHoldInRandomHistories) {
  const std::uint64_t one_seed = FromEnvironment("SEXTANT_EXPLORE_SEED", 0);
  const std::uint64_t runs = one_seed != 0 ? 1 : FromEnvironment("SEXTANT_EXPLORE_RUNS", 2000);
  std::int64_t epochs = 0;
  std::int64_t retires = 0;
  for (std::uint64_t run = 1; run <= runs; ++run) {
    const std::uint64_t seed = one_seed != 0 ? one_seed : run;
    Explorer explorer(seed);
    explorer.Run(2500);
    epochs += explorer.epochs();
    retires += explorer.retires();
    ASSERT_THAT(explorer.violations(), ::testing::IsEmpty())
        << "SEXTANT_EXPLORE_SEED=" << seed << " shows it again";
  }
  // The histories must be worth their name.
  if (one_seed == 0) {
    EXPECT_GT(epochs, 3 * static_cast<std::int64_t>(runs));
  }
  RecordProperty("epochs", absl::StrCat(epochs));
  RecordProperty("retires", absl::StrCat(retires));
}

}  // namespace
}  // namespace sextant
