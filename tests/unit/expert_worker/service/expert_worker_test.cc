// Whole expert workers, with their membership, under a real coordinator; the attention side is an
// exchange that compares every row with the exchange of one process.
#include "expert_worker/service/expert_worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "common/exchange/grpc_exchange.h"
#include "common/exchange/local_exchange.h"
#include "common/membership/member.h"
#include "common/membership/model_identity.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "common/tensor/float_types.h"
#include "expert_worker/compute/stored_experts.h"
#include "expert_worker/store/expert_store.h"
#include "router/service/control_plane/control_plane.h"
#include "tests/golden/golden_model.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_dir.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

std::string Folder() { return GoldenModelFolder("lite"); }

struct Router {
  explicit Router(const TempDir& dir) : control({.settle = absl::Milliseconds(50)}, nullptr) {
    auto started = RpcServer::Start({.listen = {"unix:" + dir.path() + "/router"},
                                     .services = {control.cluster(), control.admin()}});
    EXPECT_TRUE(started.ok()) << started.status();
    server = *std::move(started);
    control.Start();
  }
  ~Router() {
    control.Stop();
    server->Shutdown(absl::ZeroDuration());
  }
  // Until the committed epoch has so many expert workers and nothing is changing.
  void WaitForWorkers(int count) {
    for (;; absl::SleepFor(absl::Milliseconds(5))) {
      const StatusBoard::Snapshot status = control.status();
      int holding = 0;
      for (const v1::WorkerStatus& worker : status->workers()) {
        if (worker.role() == v1::ROLE_EXPERT && worker.experts_size() > 0) ++holding;
      }
      if (status->phase() == "steady" && holding == count) return;
    }
  }

  ControlPlane control;
  std::unique_ptr<RpcServer> server;
};

std::unique_ptr<ExpertWorker> StartWorker(const TempDir& dir, const std::string& name,
                                          Metrics& metrics) {
  auto worker = ExpertWorker::Start({.model_dir = Folder(),
                                     .router_target = "unix:" + dir.path() + "/router",
                                     .listen = {"unix:" + dir.path() + "/" + name},
                                     .threads = 1,
                                     .log = Logger(name, LogLevel::kError)},
                                    metrics);
  EXPECT_TRUE(worker.ok()) << worker.status();
  return *std::move(worker);
}

// An attention worker that is nothing but its end of the exchange.
class Attention final : public MemberRole {
 public:
  explicit Attention(const TempDir& dir)
      : config_(*ReadModelConfig(Folder())),
        checkpoint_(*Checkpoint::Open(Folder())),
        loader_(checkpoint_, Precision::kBf16),
        store_(*ExpertStore::Load(config_, AllExperts(config_), loader_)),
        pool_(1),
        stream_(*ChooseBackend(), pool_),
        host_(store_, stream_, Precision::kBf16),
        local_(host_, experts()),
        remote_({.num_experts = experts(),
                 .hidden = config_.hidden_size,
                 .precision = Precision::kBf16,
                 .own_host_id = HostId(),
                 .dispatch_patience = absl::Seconds(30)}) {
    v1::Hello hello;
    hello.set_role(v1::ROLE_ATTENTION);
    hello.mutable_endpoint()->set_host_id(HostId());
    hello.mutable_endpoint()->set_unix_target("unix:" + dir.path() + "/attention");
    *hello.mutable_model() = *IdentifyModel(config_, checkpoint_, Precision::kBf16);
    hello.add_numeric_profiles(Name(*ChooseBackend()));
    hello.set_cache_blocks(1);
    hello.set_block_tokens(1);
    hello.set_max_sequences(1);
    member_ = *Member::Join({.router_target = "unix:" + dir.path() + "/router", .hello = hello});
    member_->Start(*this);
  }

  // Dispatches until `stop`; every row must have the bits of the local exchange.
  void Run(const std::atomic<bool>& stop) {
    for (std::uint32_t round = 0; !stop.load(); ++round) {
      std::mt19937 random(round);
      const auto tokens = static_cast<std::int64_t>(1 + random() % 9);
      const std::int64_t k = config_.num_experts_per_tok;
      std::vector<float> rows;
      for (std::int64_t i = 0; i < tokens * config_.hidden_size; ++i) {
        rows.push_back(RoundToBf16(static_cast<float>(random() % 2000) * 0.001F - 1.0F));
      }
      std::vector<std::int32_t> ids;
      for (std::int64_t i = 0; i < tokens * k; ++i) {
        ids.push_back(static_cast<std::int32_t>(random()) & (experts() - 1));
      }
      const ExpertDispatch dispatch{.layer = 1 + static_cast<int>(round % 2),
                                    .rows = {rows.data(), tokens, config_.hidden_size},
                                    .expert_ids = {ids.data(), tokens, k}};
      ASSERT_TRUE(local_.Dispatch(dispatch).ok());
      ASSERT_TRUE(remote_.Dispatch(dispatch).ok());
      const auto expected = local_.Collect();
      const auto outputs = remote_.Collect();
      ASSERT_TRUE(outputs.ok()) << outputs.status();
      for (std::size_t slot = 0; slot < ids.size(); ++slot) {
        ASSERT_EQ(std::memcmp(expected->rows.Row(expected->row_of[slot]),
                              outputs->rows.Row(outputs->row_of[slot]),
                              static_cast<std::size_t>(config_.hidden_size) * sizeof(float)),
                  0);
      }
      rounds_.fetch_add(1);
    }
  }

  [[nodiscard]] int rounds() const { return rounds_.load(); }
  void WaitForRounds(int more) {
    for (const int from = rounds(); rounds() < from + more;) absl::SleepFor(absl::Milliseconds(1));
  }
  [[nodiscard]] const GrpcExchange& exchange() const { return remote_; }

 private:
  [[nodiscard]] std::int32_t experts() const {
    return static_cast<std::int32_t>(config_.n_routed_experts);
  }

  absl::Status Prepare(const v1::Placement& placement) override {
    return remote_.Prepare(placement);
  }
  void Commit(std::uint64_t epoch) override { remote_.Commit(epoch); }
  void Retire(std::uint64_t) override {}
  void FillHeartbeat(v1::Heartbeat& beat) override { beat.set_progressing(true); }

  ModelConfig config_;
  Checkpoint checkpoint_;
  WeightLoader loader_;
  ExpertStore store_;
  ThreadPool pool_;
  Stream stream_;
  StoredExperts host_;
  LocalExchange local_;
  GrpcExchange remote_;
  std::atomic<int> rounds_ = 0;
  std::unique_ptr<Member> member_;
};

TEST(ExpertWorkerTest, WorkersComeLeaveAndDieUnderLoadAndNoBitChanges) {
  const TempDir dir;
  Router router(dir);
  Metrics metrics;
  std::unique_ptr<ExpertWorker> a = StartWorker(dir, "a", metrics);
  Attention attention(dir);
  router.WaitForWorkers(1);
  std::atomic<bool> stop = false;
  std::thread engine([&] { attention.Run(stop); });
  attention.WaitForRounds(10);

  std::unique_ptr<ExpertWorker> b = StartWorker(dir, "b", metrics);
  std::unique_ptr<ExpertWorker> c = StartWorker(dir, "c", metrics);
  router.WaitForWorkers(3);
  attention.WaitForRounds(10);

  a->Leave(absl::Seconds(20));  // drained
  EXPECT_TRUE(a->failure().ok()) << a->failure();
  router.WaitForWorkers(2);
  a = nullptr;
  attention.WaitForRounds(10);

  b = nullptr;  // gone without a word
  attention.WaitForRounds(10);
  router.WaitForWorkers(1);
  attention.WaitForRounds(10);
  stop.store(true);
  engine.join();
  EXPECT_GE(attention.exchange().epoch(), 4U);
  EXPECT_THAT(metrics.Text(), HasSubstr("sextant_expert_tokens_total"));
}

TEST(ExpertWorkerTest, WhatIsWrongWithAFolderOrARouterIsSaid) {
  const TempDir dir;
  Metrics metrics;
  const auto start = [&](const std::string& folder) {
    return ExpertWorker::Start({.model_dir = folder,
                                .router_target = "unix:" + dir.path() + "/nobody",
                                .listen = {"unix:" + dir.path() + "/w"},
                                .join_timeout = absl::Milliseconds(200),
                                .log = Logger("w", LogLevel::kError)},
                               metrics)
        .status();
  };
  EXPECT_THAT(MessageOf(start(dir.path())), HasSubstr("config.json"));
  const absl::Status status = start(Folder());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(MessageOf(status), HasSubstr("nobody"));
}

TEST(ExpertWorkerTest, AWorkerOfAnotherModelIsRefused) {
  const TempDir dir;
  Router router(dir);
  Metrics metrics;
  const std::unique_ptr<ExpertWorker> a = StartWorker(dir, "a", metrics);
  const absl::Status status =
      ExpertWorker::Start({.model_dir = GoldenModelFolder("v2"),
                           .router_target = "unix:" + dir.path() + "/router",
                           .listen = {"unix:" + dir.path() + "/b"},
                           .log = Logger("b", LogLevel::kError)},
                          metrics)
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(status), HasSubstr("fingerprint"));
}

}  // namespace
}  // namespace sextant
