// A cluster of five hosts whose network delays, loses and cuts: no wrong token, and no request that
// waits past its deadline.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/supervisor/child_processes.h"
#include "common/rpc/channel.h"
#include "proto/sextant/v1/admin.grpc.pb.h"
#include "tests/chaos/faulty_network.h"
#include "tests/integration/cluster/asked_requests.h"

namespace sextant::chaos {
namespace {

using ::testing::AnyOf;

enum Host : int { kRouter, kAttention1, kAttention2, kExpert1, kExpert2, kHosts };

constexpr int kTokens = 100;
constexpr absl::Duration kPatience = absl::Seconds(60);

std::string Model() { return std::string(SEXTANT_SOURCE_DIR) + "/tests/golden/model/lite"; }

std::string Target(int host) { return absl::StrCat(FaultyNetwork::AddressOf(host), ":7070"); }

// One cluster for all tests: each leaves it whole. This process is on the router's host from its
// first test on, before gRPC has any thread.
class NetworkTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto network = FaultyNetwork::Create(kHosts);
    if (!network.ok()) {
      why_not_ = std::string(network.status().message());
      ASSERT_EQ(network.status().code(), absl::StatusCode::kFailedPrecondition) << why_not_;
      return;
    }
    network_ = network->release();
    network_->Enter(kRouter);
    requests_ = new auto(MakeRequests(6, 250, kTokens));
    wanted_ = new auto(*AskOneProcess(Model(), *requests_));
    processes_ = cli::ChildProcesses::Open()->release();
    Start(kRouter, "router", {});
    for (const int host : {kAttention1, kAttention2}) Start(host, "attention_worker", {});
    for (const int host : {kExpert1, kExpert2}) Start(host, "expert_worker", {});
    admin_ = v1::Admin::NewStub(OpenChannel(Target(kRouter))).release();
  }
  static void TearDownTestSuite() {
    delete admin_;
    delete processes_;
    delete network_;
    delete wanted_;
    delete requests_;
  }

  void SetUp() override {
    if (network_ == nullptr) GTEST_SKIP() << "no network of its own here: " << why_not_;
    ASSERT_TRUE(BecomesWhole());
  }
  void TearDown() override {
    if (network_ == nullptr) return;
    network_->SetFaults({});
    network_->Heal();
  }

  static void Start(int host, const std::string& program, std::vector<std::string> more) {
    std::vector<std::string> arguments = {absl::StrCat(SEXTANT_PROGRAMS, "/", program),
                                          "--model",
                                          Model(),
                                          "--listen",
                                          Target(host),
                                          "--admin-port",
                                          "-1",
                                          "--log-level",
                                          "error"};
    if (host != kRouter) {
      for (const std::string& flag :
           {std::string("--router"), Target(kRouter), std::string("--threads"), std::string("1")}) {
        arguments.push_back(flag);
      }
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    network_->Within(host, [&] {
      const auto pid = processes_->Start({.name = program, .arguments = std::move(arguments)});
      ASSERT_TRUE(pid.ok()) << pid.status();
    });
  }

  static bool Becomes(const std::function<bool(const v1::ClusterStatus&)>& wanted) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (absl::Now() < deadline) {
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(2)));
      v1::ClusterStatus status;
      if (admin_->Status(&context, {}, &status).ok() && wanted(status)) return true;
      absl::SleepFor(absl::Milliseconds(50));
    }
    return false;
  }
  static int Ready(const v1::ClusterStatus& status, v1::Role role) {
    return static_cast<int>(std::count_if(
        status.workers().begin(), status.workers().end(), [role](const v1::WorkerStatus& worker) {
          return worker.role() == role && worker.state() == "ready";
        }));
  }
  static bool BecomesWhole() {
    return Becomes([](const v1::ClusterStatus& status) {
      return Ready(status, v1::ROLE_ATTENTION) == 2 && Ready(status, v1::ROLE_EXPERT) == 2 &&
             status.phase() == "steady" && status.experts_covered() == 16;
    });
  }

  static void ExpectRight(const absl::StatusOr<std::vector<GotAnswer>>& got) {
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(*got, *wanted_);
  }

  static std::string why_not_;
  static FaultyNetwork* network_;
  static std::vector<v1::GenerateRequest>* requests_;
  static std::vector<GotAnswer>* wanted_;
  static cli::ChildProcesses* processes_;
  static v1::Admin::Stub* admin_;
};

std::string NetworkTest::why_not_;
FaultyNetwork* NetworkTest::network_ = nullptr;
std::vector<v1::GenerateRequest>* NetworkTest::requests_ = nullptr;
std::vector<GotAnswer>* NetworkTest::wanted_ = nullptr;
cli::ChildProcesses* NetworkTest::processes_ = nullptr;
v1::Admin::Stub* NetworkTest::admin_ = nullptr;

TEST_F(NetworkTest, PacketsThatComeLateOutOfOrderOrNotAtAllChangeNoToken) {
  network_->SetFaults(
      {.delay = absl::Milliseconds(1), .jitter = absl::Milliseconds(2), .loss = 0.005});
  ExpectRight(AskCluster(Target(kRouter), *requests_));
}

TEST_F(NetworkTest, AnExpertWorkerThatIsCutOffIsReplacedAndWelcomeAgain) {
  ExpectRight(AskCluster(Target(kRouter), *requests_, [] {
    network_->CutOff(kExpert1);
    EXPECT_TRUE(Becomes([](const v1::ClusterStatus& status) {
      return Ready(status, v1::ROLE_EXPERT) == 1 && status.experts_covered() == 16;
    }));
  }));
  network_->Heal();
  EXPECT_TRUE(BecomesWhole());
  ExpectRight(AskCluster(Target(kRouter), *requests_));
}

TEST_F(NetworkTest, TheSequencesOfAnAttentionWorkerThatIsCutOffGoOnElsewhere) {
  ExpectRight(AskCluster(Target(kRouter), *requests_, [] { network_->CutOff(kAttention1); }));
  network_->Heal();
  EXPECT_TRUE(BecomesWhole());
}

TEST_F(NetworkTest, ACutBetweenTwoWorkersThatHealsCostsAPause) {
  ExpectRight(AskCluster(Target(kRouter), *requests_, [] {
    network_->Cut(kAttention1, kExpert2);
    absl::SleepFor(absl::Seconds(2));
    network_->Heal();
  }));
}

TEST_F(NetworkTest, StreamsOutliveARouterThatIsCutOffFromAllWorkers) {
  ExpectRight(AskCluster(Target(kRouter), *requests_, [] {
    network_->CutOff(kRouter);
    EXPECT_TRUE(Becomes([](const v1::ClusterStatus& status) { return status.workers().empty(); }));
    network_->Heal();
  }));
}

TEST_F(NetworkTest, NoRequestWaitsPastItsDeadlineForExpertsThatAreCutOff) {
  network_->CutOff(kExpert1);
  network_->CutOff(kExpert2);
  constexpr absl::Duration kTimeout = absl::Seconds(3);
  const absl::Time begin = absl::Now();
  const absl::Status status = AskCluster(
                                  Target(kRouter), *requests_, [] {}, kTimeout)
                                  .status();
  EXPECT_LT(absl::Now() - begin, kTimeout + absl::Seconds(2));
  EXPECT_THAT(status.code(),
              AnyOf(absl::StatusCode::kUnavailable, absl::StatusCode::kDeadlineExceeded))
      << status;
  network_->Heal();
  ASSERT_TRUE(BecomesWhole());
  ExpectRight(AskCluster(Target(kRouter), *requests_));
}

}  // namespace
}  // namespace sextant::chaos
