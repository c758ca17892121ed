// Workers that are one GPU of several each, on emulated GPUs with a network of threads, as members
// of a cluster: epochs come and go by the router's control plane, and every sequence gets what one
// GPU gives it alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "attention_worker/service/attention_worker.h"
#include "cli/worker/expert_rank.h"
#include "cli/worker/rank_worker_model.h"
#include "kernels/cuda_module/cuda_kernels.h"
#include "tests/golden/golden_model.h"
#include "tests/support/device/emulated_gpu.h"
#include "tests/support/ranks/fake_rank_network.h"
#include "tests/unit/attention_worker/service/start_sequence.h"
#include "tests/unit/cli/worker/worker_cluster.h"

namespace sextant::cli {
namespace {

constexpr std::int64_t kTokens = 12;
constexpr std::uint64_t kSequences = 2;  // of each worker that attends

std::string Folder() { return GoldenModelFolder("lite"); }

// Another prompt for each worker and sequence.
Ids Prompt(std::size_t worker, std::uint64_t sequence) {
  Ids prompt;
  for (std::size_t i = 0; i < 3 + 4 * sequence + worker; ++i) {
    prompt.push_back(static_cast<std::int32_t>((17 * worker + 31 * sequence + 7 * i) % 250));
  }
  return prompt;
}
std::uint64_t Seed(std::size_t worker, std::uint64_t sequence) {
  return 100 + 10 * worker + sequence;
}

class RankWorkerTest : public testing::Test {
 protected:
  ~RankWorkerTest() override { workers_.clear(); }

  // The number of the new worker.
  std::size_t Start(v1::Role role) {
    const std::size_t number = workers_.size();
    workers_.push_back(std::make_unique<Worker>());
    Worker& worker = *workers_.back();
    worker.role = role;
    const RankDevice device = {
        .role = role,
        .open_gpu = [&worker](int /*number*/) -> absl::StatusOr<CudaBackend> {
          auto gpu =
              std::make_unique<EmulatedGpu>(std::int64_t{1} << 30, EmulatedGpu::When::kAtOnce);
          worker.gpu = gpu.get();
          return CudaBackend{.gpu = std::move(gpu), .kernels = &LinkedCudaKernels()};
        },
        .open_network = [this, &worker]() -> absl::StatusOr<std::unique_ptr<RankNetwork>> {
          return std::make_unique<FakeRankNetwork>(meetings_,
                                                   [&worker] { return worker.gpu.load(); });
        }};
    const std::string target = cluster_.Target(absl::StrCat("worker-", number));
    const Logger log(absl::StrCat("worker-", number), LogLevel::kWarning);
    absl::Status started;
    if (role == v1::ROLE_EXPERT) {
      auto expert = ExpertRank::Start({.model_dir = Folder(),
                                       .router_target = cluster_.router(),
                                       .listen = {target},
                                       .device = device,
                                       .max_batch_tokens = 64,
                                       .max_sequences = 8,
                                       .log = log},
                                      worker.metrics);
      started = expert.status();
      if (expert.ok()) worker.expert = *std::move(expert);
    } else {
      auto attention = AttentionWorker::Start({.model_dir = Folder(),
                                               .router_target = cluster_.router(),
                                               .listen = {target},
                                               .open_model =
                                                   [device](const WorkerModelArgs& args) {
                                                     return RankWorkerModel::Open(args, device);
                                                   },
                                               .cache_tokens = 1024,
                                               .max_batch_tokens = 64,
                                               .max_sequences = 8,
                                               .log = log},
                                              worker.metrics);
      started = attention.status();
      if (attention.ok()) worker.attention = *std::move(attention);
    }
    EXPECT_TRUE(started.ok()) << started;
    return number;
  }

  // Begins kSequences at a worker.
  std::future<std::map<std::uint64_t, Ids>> Begin(std::size_t number) {
    std::vector<v1::StartSequence> starts;
    for (std::uint64_t s = 0; s < kSequences; ++s) {
      starts.push_back(MakeStart(s, Prompt(number, s), kTokens, Seed(number, s)));
    }
    return std::async(std::launch::async, [this, number, starts] {
      return Ask(workers_[number]->attention->targets().front(), starts, [this] { ++tokens_; });
    });
  }
  void Check(std::size_t number, std::future<std::map<std::uint64_t, Ids>> got) {
    const std::map<std::uint64_t, Ids> answers = got.get();
    for (std::uint64_t s = 0; s < kSequences; ++s) {
      ASSERT_TRUE(answers.contains(s)) << "worker " << number << " sequence " << s;
      EXPECT_EQ(answers.at(s), alone_.Answer(Prompt(number, s), kTokens, Seed(number, s)))
          << "worker " << number << " sequence " << s;
    }
  }
  // Until so many have come since the beginning.
  void AwaitTokens(int tokens) {
    const absl::Time deadline = absl::Now() + WorkerCluster::kPatience;
    while (tokens_ < tokens && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
    ASSERT_GE(tokens_.load(), tokens);
  }

  // Without being drained, in the middle of a step.
  void Kill(std::size_t number) {
    workers_[number]->attention = nullptr;
    workers_[number]->expert = nullptr;
  }
  void Leave(std::size_t number) {
    Worker& worker = *workers_[number];
    if (worker.attention != nullptr) worker.attention->Leave(WorkerCluster::kPatience);
    if (worker.expert != nullptr) worker.expert->Leave(WorkerCluster::kPatience);
    Kill(number);
  }

  struct Worker {
    v1::Role role = v1::ROLE_UNSPECIFIED;
    std::atomic<EmulatedGpu*> gpu = nullptr;
    Metrics metrics;
    std::unique_ptr<AttentionWorker> attention;
    std::unique_ptr<ExpertRank> expert;
  };

  OneGpu alone_{Folder()};
  FakeMeetings meetings_;
  WorkerCluster cluster_{""};
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<int> tokens_ = 0;
};

TEST_F(RankWorkerTest, ColocatedGpusServeSequencesOfTheirOwn) {
  const std::size_t a = Start(v1::ROLE_COLOCATED);
  const std::size_t b = Start(v1::ROLE_COLOCATED);
  ASSERT_TRUE(cluster_.AwaitReady(2)) << cluster_.status()->DebugString();
  EXPECT_EQ(cluster_.status()->numeric_profile(), "cuda");
  auto of_a = Begin(a);
  auto of_b = Begin(b);
  Check(a, std::move(of_a));
  Check(b, std::move(of_b));
}

TEST_F(RankWorkerTest, AttentionAndExpertsOnGpusOfTheirOwn) {
  const std::size_t a = Start(v1::ROLE_ATTENTION);
  Start(v1::ROLE_EXPERT);
  Start(v1::ROLE_EXPERT);
  ASSERT_TRUE(cluster_.AwaitReady(3)) << cluster_.status()->DebugString();
  Check(a, Begin(a));
}

TEST_F(RankWorkerTest, GpusComeAndGoWhileSequencesRun) {
  const std::size_t a = Start(v1::ROLE_COLOCATED);
  ASSERT_TRUE(cluster_.AwaitReady(1)) << cluster_.status()->DebugString();
  auto of_a = Begin(a);
  AwaitTokens(2);
  const std::size_t b = Start(v1::ROLE_COLOCATED);
  const std::size_t e = Start(v1::ROLE_EXPERT);
  ASSERT_TRUE(cluster_.AwaitReady(3)) << cluster_.status()->DebugString();
  auto of_b = Begin(b);
  Leave(e);
  Check(b, std::move(of_b));
  Leave(b);
  ASSERT_TRUE(cluster_.AwaitReady(1)) << cluster_.status()->DebugString();
  Check(a, std::move(of_a));
}

TEST_F(RankWorkerTest, ADeathInTheMiddleOfAStepEndsNoSequenceOfTheOthers) {
  const std::size_t a = Start(v1::ROLE_COLOCATED);
  const std::size_t b = Start(v1::ROLE_COLOCATED);
  const std::size_t e = Start(v1::ROLE_EXPERT);
  ASSERT_TRUE(cluster_.AwaitReady(3)) << cluster_.status()->DebugString();
  auto of_a = Begin(a);
  auto of_b = Begin(b);
  AwaitTokens(6);
  Kill(e);
  ASSERT_TRUE(cluster_.AwaitReady(2)) << cluster_.status()->DebugString();
  Check(a, std::move(of_a));
  Check(b, std::move(of_b));
}

TEST_F(RankWorkerTest, TheConductorsDeathEndsNoSequenceOfTheOthers) {
  std::vector<std::size_t> ranks = {Start(v1::ROLE_COLOCATED), Start(v1::ROLE_COLOCATED),
                                    Start(v1::ROLE_COLOCATED)};
  ASSERT_TRUE(cluster_.AwaitReady(3)) << cluster_.status()->DebugString();
  const StatusBoard::Snapshot status = cluster_.status();
  const auto& workers = status->workers();
  const std::string conductor =
      std::min_element(workers.begin(), workers.end(),
                       [](const v1::WorkerStatus& a, const v1::WorkerStatus& b) {
                         return a.worker_id() < b.worker_id();
                       })
          ->target();
  std::size_t dead = 0;
  while (cluster_.Target(absl::StrCat("worker-", dead)) != conductor) ASSERT_LT(++dead, 3U);
  std::erase(ranks, dead);
  auto first = Begin(ranks[0]);
  auto second = Begin(ranks[1]);
  AwaitTokens(6);
  Kill(dead);
  ASSERT_TRUE(cluster_.AwaitReady(2)) << cluster_.status()->DebugString();
  Check(ranks[0], std::move(first));
  Check(ranks[1], std::move(second));
}

}  // namespace
}  // namespace sextant::cli
