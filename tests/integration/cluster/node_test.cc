// `sextant node` beside a router that runs elsewhere: workers come and go and experts are placed as
// their files say, while streams run, and their bytes are those of one process.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/supervisor/child_processes.h"
#include "common/rpc/channel.h"
#include "proto/sextant/v1/admin.grpc.pb.h"
#include "tests/integration/cluster/asked_requests.h"
#include "tests/integration/cluster/health_check.h"
#include "tests/integration/cluster/running_streams.h"
#include "tests/integration/cluster/up_process.h"
#include "tests/support/temp_dir.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kPatience = absl::Seconds(60);

std::string Model() { return std::string(SEXTANT_SOURCE_DIR) + "/tests/golden/model/lite"; }

// A configuration file as Kubernetes mounts it: a link to a folder, which is swapped.
class MountedConfig {
 public:
  MountedConfig() { fs::create_symlink("data/sextant.yaml", path()); }

  void Write(const std::string& yaml) {
    const std::string folder = absl::StrCat("version-", ++version_);
    fs::create_directory(dir_.File(folder));
    dir_.Write(folder + "/sextant.yaml", yaml);
    fs::create_symlink(folder, dir_.File("next"));
    fs::rename(dir_.File("next"), dir_.File("data"));
  }
  [[nodiscard]] std::string path() const { return dir_.File("sextant.yaml"); }

 private:
  const TempDir dir_;
  int version_ = 0;
};

class ClusterNodeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto processes = cli::ChildProcesses::Open();
    ASSERT_TRUE(processes.ok()) << processes.status();
    processes_ = *std::move(processes);
    router_config_.Write("");
    ASSERT_NO_FATAL_FAILURE(
        Start("router",
              {fs::path(SEXTANT_PROGRAM).parent_path() / "router", "--model", Model(), "--listen",
               "127.0.0.1:0", "--log-level", "warning", "--config", router_config_.path()},
              router_, router_target_));
    admin_ = v1::Admin::NewStub(OpenChannel(router_target_));
  }

  // Returns when it says that it is ready.
  void Start(const std::string& name, const std::vector<std::string>& arguments, int& pid,
             std::string& target) {
    const auto started = processes_->Start({.name = name, .arguments = arguments});
    ASSERT_TRUE(started.ok()) << started.status();
    pid = *started;
    const absl::Time deadline = absl::Now() + kPatience;
    while (target.empty()) {
      ASSERT_LT(absl::Now(), deadline) << name << " is not ready";
      for (const cli::ChildEvent& event : processes_->Wait(absl::Milliseconds(100))) {
        ASSERT_FALSE(std::holds_alternative<cli::ChildExited>(event)) << name << " has ended";
        if (const auto* ready = std::get_if<cli::ChildReady>(&event)) target = ready->targets.at(0);
      }
    }
  }

  static std::string Yaml(int attention, int experts) {
    return absl::StrCat("cluster: {log_level: warning, drain_seconds: 60}\n",
                        "node: {attention_workers: ", attention, ", expert_workers: ", experts,
                        ", listen: [\"127.0.0.1:0\"]}\n");
  }

  void StartNode(int attention, int experts) { StartNodeWith(Yaml(attention, experts)); }

  void StartNodeWith(const std::string& yaml) {
    config_.Write(yaml);
    ASSERT_NO_FATAL_FAILURE(Start("node",
                                  {SEXTANT_PROGRAM, "node", "--config", config_.path(), "--model",
                                   Model(), "--router", router_target_, "--address", "127.0.0.1"},
                                  node_, node_target_));
  }

  int ExitStatus(int pid) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (absl::Now() < deadline) {
      for (const cli::ChildEvent& event : processes_->Wait(absl::Milliseconds(50))) {
        const auto* exited = std::get_if<cli::ChildExited>(&event);
        if (exited != nullptr && exited->pid == pid) return exited->status;
      }
    }
    return -1000;
  }

  v1::ClusterStatus Status() {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
    v1::ClusterStatus status;
    EXPECT_TRUE(admin_->Status(&context, v1::StatusRequest(), &status).ok());
    return status;
  }

  // -1 while something changes.
  int ReadyWorkers(v1::Role role) {
    const v1::ClusterStatus status = Status();
    if (status.phase() != "steady") return -1;
    int ready = 0;
    for (const v1::WorkerStatus& worker : status.workers()) {
      if (worker.role() != role) continue;
      if (worker.state() != "ready") return -1;
      ++ready;
    }
    return ready;
  }

  // That the cluster is steady and each of its expert workers holds so many of the 16 experts.
  bool EachHolds(int experts) {
    const v1::ClusterStatus status = Status();
    if (status.phase() != "steady") return false;
    return std::all_of(status.workers().begin(), status.workers().end(), [&](const auto& worker) {
      return worker.role() != v1::ROLE_EXPERT || worker.experts_size() == experts;
    });
  }

  static bool Eventually(const std::function<bool()>& holds) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (!holds()) {
      if (absl::Now() > deadline) return false;
      absl::SleepFor(absl::Milliseconds(20));
    }
    return true;
  }

  MountedConfig router_config_;
  MountedConfig config_;
  std::unique_ptr<cli::ChildProcesses> processes_;
  int router_ = 0;
  std::string router_target_;
  int node_ = 0;
  std::string node_target_;
  std::unique_ptr<v1::Admin::Stub> admin_;
};

TEST_F(ClusterNodeTest, StreamsRunOnWhileItsFileAsksForTwoFourAndOneExpertWorkers) {
  ASSERT_NO_FATAL_FAILURE(StartNode(1, 2));
  EXPECT_TRUE(IsServing(node_target_, ""));
  EXPECT_TRUE(IsServing(node_target_, "workers"));
  WhileStreamsRun(router_target_, Model(), [&] {
    for (const int count : {4, 1}) {
      config_.Write(Yaml(1, count));
      EXPECT_TRUE(Eventually([&] { return ReadyWorkers(v1::ROLE_EXPERT) == count; }));
    }
  });
  EXPECT_TRUE(Eventually([&] { return ChildrenOf(node_).size() == 2; }));
  EXPECT_TRUE(IsServing(node_target_, "workers"));
}

TEST_F(ClusterNodeTest, StreamsRunOnWhileTheRoutersFileAsksForCopiesOfExperts) {
  ASSERT_NO_FATAL_FAILURE(StartNode(1, 2));
  EXPECT_TRUE(Eventually([&] { return EachHolds(8); }));
  const std::uint64_t epoch = Status().epoch();
  WhileStreamsRun(router_target_, Model(), [&] {
    router_config_.Write("router: {replicated_experts: 16}\n");
    EXPECT_TRUE(Eventually([&] { return EachHolds(16); }));
    router_config_.Write("router: {replicated_experts: 8, queue: 1}\n");
    EXPECT_TRUE(Eventually([&] { return EachHolds(12); }));
    router_config_.Write("");
    EXPECT_TRUE(Eventually([&] { return EachHolds(8); }));
  });
  const v1::ClusterStatus status = Status();
  EXPECT_EQ(status.epoch(), epoch + 3);
  EXPECT_EQ(status.change().cause(), "settings");
  EXPECT_EQ(status.queue().capacity(), 256);  // takes a restart
}

TEST_F(ClusterNodeTest, StreamsRunOnWhileItsFileAsksForOneTwoAndOneWholeWorkers) {
  const auto yaml = [](int whole) {
    return absl::StrCat("cluster: {log_level: warning, drain_seconds: 60}\n",
                        "engine: {device: cpu}\n", "node: {whole_workers: ", whole,
                        ", listen: [\"127.0.0.1:0\"]}\n");
  };
  ASSERT_NO_FATAL_FAILURE(StartNodeWith(yaml(1)));
  WhileStreamsRun(router_target_, Model(), [&] {
    for (const int count : {2, 1}) {
      config_.Write(yaml(count));
      EXPECT_TRUE(Eventually([&] { return ReadyWorkers(v1::ROLE_WHOLE) == count; }));
    }
  });
  EXPECT_TRUE(Eventually([&] { return ChildrenOf(node_).size() == 1; }));
  EXPECT_TRUE(IsServing(node_target_, "workers"));
}

TEST_F(ClusterNodeTest, AStopLetsStreamsEndAndThenAllWorkersGo) {
  ASSERT_NO_FATAL_FAILURE(StartNode(1, 2));
  const auto requests = MakeRequests(4, 250, 60);
  const auto wanted = AskOneProcess(Model(), requests);
  ASSERT_TRUE(wanted.ok()) << wanted.status();
  const std::vector<int> workers = ChildrenOf(node_);
  EXPECT_EQ(workers.size(), 3U);
  const auto got =
      AskCluster(router_target_, requests, [&] { processes_->Signal(node_, SIGTERM); });
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(*got, *wanted);
  EXPECT_EQ(ExitStatus(node_), 0);
  for (const int worker : workers) EXPECT_TRUE(IsGone(worker));
  EXPECT_EQ(Status().workers_size(), 0);
}

TEST_F(ClusterNodeTest, OneOfTwoNodesGoesAndNoStreamEnds) {
  ASSERT_NO_FATAL_FAILURE(StartNode(1, 1));
  const int first = std::exchange(node_, 0);
  node_target_.clear();
  ASSERT_NO_FATAL_FAILURE(StartNode(1, 1));
  EXPECT_TRUE(Eventually([&] { return ReadyWorkers(v1::ROLE_ATTENTION) == 2; }));
  WhileStreamsRun(router_target_, Model(), [&] {
    processes_->Signal(first, SIGTERM);
    EXPECT_EQ(ExitStatus(first), 0);
  });
  EXPECT_EQ(ReadyWorkers(v1::ROLE_ATTENTION), 1);
  EXPECT_EQ(ReadyWorkers(v1::ROLE_EXPERT), 1);
}

TEST_F(ClusterNodeTest, AWorkerThatDiesIsStartedAgainAndMeanwhileTheNodeIsNotReady) {
  ASSERT_NO_FATAL_FAILURE(StartNode(1, 2));
  kill(ChildrenOf(node_).back(), SIGKILL);
  EXPECT_TRUE(Eventually([&] { return !IsServing(node_target_, "workers"); }));
  EXPECT_TRUE(IsServing(node_target_, ""));
  EXPECT_TRUE(Eventually([&] { return IsServing(node_target_, "workers"); }));
  EXPECT_TRUE(Eventually([&] { return ReadyWorkers(v1::ROLE_EXPERT) == 2; }));
}

}  // namespace
}  // namespace sextant
