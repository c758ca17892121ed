// The control plane over real gRPC, with workers as they are, but for what they compute.
#include "router/service/control_plane/control_plane.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/errors/error_details.h"
#include "common/membership/member.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "common/rpc/status.h"
#include "router/coordinator/placed_workers.h"
#include "tests/support/message_of.h"
#include "tests/unit/router/coordinator/hellos.h"

namespace sextant {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::Duration kPatience = absl::Seconds(20);

// Holds what it is told to hold. Frozen, it stops in the middle of its heartbeats.
class FakeRole final : public MemberRole {
 public:
  explicit FakeRole(std::string worker_id) : worker_id_(std::move(worker_id)) {}
  ~FakeRole() override { Freeze(false); }

  absl::Status Prepare(const v1::Placement& placement) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    notes_.push_back(absl::StrCat("prepare ", placement.epoch()));
    for (const v1::PlacedWorker& placed : PlacedWorkers(placement)) {
      if (placed.worker_id() == worker_id_) {
        held_.insert(placed.experts().begin(), placed.experts().end());
      }
    }
    prepared_ = placement;
    return absl::OkStatus();
  }
  void Commit(std::uint64_t epoch) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    notes_.push_back(absl::StrCat("commit ", epoch));
    committed_ = prepared_;
  }
  void Halt(std::uint64_t before) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    notes_.push_back(absl::StrCat("halt ", before));
  }
  void Retire(std::uint64_t /*epoch*/) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    held_.clear();
    for (const v1::PlacedWorker& placed : PlacedWorkers(committed_)) {
      if (placed.worker_id() == worker_id_) {
        held_.insert(placed.experts().begin(), placed.experts().end());
      }
    }
  }
  void FillHeartbeat(v1::Heartbeat& beat) override {
    std::unique_lock<std::mutex> lock(freeze_mutex_);
    thawed_.wait(lock, [this] { return !frozen_; });
    for (const auto& [expert, rows] : load_) {
      v1::ExpertLoad& told = *beat.add_expert_load();
      told.set_expert(expert);
      told.set_rows(rows);
    }
  }

  void Freeze(bool frozen) {
    const std::lock_guard<std::mutex> lock(freeze_mutex_);
    frozen_ = frozen;
    thawed_.notify_all();
  }
  // With every heartbeat: rows by expert.
  void SetLoad(std::map<int, std::int64_t> load) {
    const std::lock_guard<std::mutex> lock(freeze_mutex_);
    load_ = std::move(load);
  }
  std::set<int> held() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return held_;
  }
  // What it was told, but for retire.
  std::vector<std::string> notes() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return notes_;
  }

 private:
  const std::string worker_id_;
  std::mutex mutex_;
  std::set<int> held_;
  std::vector<std::string> notes_;
  v1::Placement prepared_;
  v1::Placement committed_;
  std::mutex freeze_mutex_;
  std::condition_variable thawed_;
  bool frozen_ = false;
  std::map<int, std::int64_t> load_;
};

struct FakeWorker {
  std::unique_ptr<FakeRole> role;  // outlives the member
  std::unique_ptr<Member> member;
};

v1::QueueStatus FiveWait() {
  v1::QueueStatus queue;
  queue.set_queued(5);
  return queue;
}

class ControlPlaneTest : public ::testing::Test {
 protected:
  ControlPlaneTest() { StartRouter("127.0.0.1:0"); }
  ~ControlPlaneTest() override {
    workers_.clear();
    StopRouter();
  }

  void StartRouter(const std::string& listen) {
    CoordinatorConfig config;
    config.version = kTestVersion;
    control_ = std::make_unique<ControlPlane>(config, FiveWait, &metrics_);
    control_->directory().Subscribe([this](const std::vector<AttentionWorkerInfo>& workers) {
      const std::lock_guard<std::mutex> lock(mutex_);
      directory_.clear();
      for (const AttentionWorkerInfo& worker : workers) directory_.push_back(worker.worker_id);
    });
    server_ =
        RpcServer::Start({.listen = {listen},
                          .services = {control_->cluster(), control_->hosts(), control_->admin()}})
            .value();
    target_ = server_->targets()[0];
    control_->Start();
    admin_ = v1::Admin::NewStub(OpenChannel(target_));
  }
  void StopRouter() {
    control_->Stop();
    server_ = nullptr;
    control_ = nullptr;
  }

  absl::StatusOr<std::unique_ptr<Member>> Join(const v1::Hello& hello) {
    return Member::Join({.router_target = target_, .hello = hello, .join_timeout = kPatience});
  }
  void Add(const v1::Hello& hello) {
    const std::string& id = hello.worker_id();
    auto member = Join(hello);
    ASSERT_TRUE(member.ok()) << member.status();
    workers_[id] = {.role = std::make_unique<FakeRole>(id), .member = *std::move(member)};
    workers_[id].member->Start(*workers_[id].role);
  }

  v1::ClusterStatus Status() {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    v1::ClusterStatus status;
    const grpc::Status result = admin_->Status(&context, {}, &status);
    EXPECT_TRUE(result.ok()) << result.error_message();
    return status;
  }

  // Whether `condition` becomes true of the status in time.
  template <typename Condition>
  bool Await(Condition condition) {
    const absl::Time end = absl::Now() + kPatience;
    while (absl::Now() < end) {
      if (condition(Status())) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << Status().DebugString();
    return false;
  }
  // A steady epoch with exactly so many workers, all of them ready.
  bool AwaitSteady(int workers) {
    return Await([&](const v1::ClusterStatus& status) {
      return status.phase() == "steady" && status.workers_size() == workers &&
             std::all_of(status.workers().begin(), status.workers().end(),
                         [](const v1::WorkerStatus& worker) { return worker.state() == "ready"; });
    });
  }
  // Every expert is held by exactly one of the workers, who hold what the status says.
  void ExpectEveryExpertHeldOnce() {
    std::multiset<int> held;
    for (const auto& [id, worker] : workers_) {
      const std::set<int> own = worker.role->held();
      held.insert(own.begin(), own.end());
    }
    EXPECT_THAT(held, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  }
  std::vector<std::string> directory() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return directory_;
  }
  void StartCluster() {
    for (const char* id : {"e0", "e1", "e2"}) Add(ExpertHello(id));
    for (const char* id : {"a0", "a1"}) Add(AttentionHello(id));
    ASSERT_TRUE(AwaitSteady(5));
  }

  Metrics metrics_;
  std::unique_ptr<ControlPlane> control_;
  std::unique_ptr<RpcServer> server_;
  std::string target_;
  std::unique_ptr<v1::Admin::Stub> admin_;
  std::map<std::string, FakeWorker> workers_;
  std::mutex mutex_;
  std::vector<std::string> directory_;
};

TEST_F(ControlPlaneTest, ClusterStartsInOneEpoch) {
  StartCluster();
  const v1::ClusterStatus status = Status();
  EXPECT_EQ(status.epoch(), 1U);
  EXPECT_EQ(status.experts_covered(), 8);
  EXPECT_EQ(status.numeric_profile(), "best");
  EXPECT_EQ(status.queue().queued(), 5);
  EXPECT_EQ(workers_["e0"].member->welcome().death_milliseconds(), 900);
  EXPECT_THAT(directory(), ElementsAre("a0", "a1"));
  ExpectEveryExpertHeldOnce();
}

TEST_F(ControlPlaneTest, ExpertsOfAKilledWorkerAreHeldByTheOthersSoon) {
  StartCluster();
  const absl::Time killed = absl::Now();
  workers_.erase("e1");
  ASSERT_TRUE(AwaitSteady(4));
  EXPECT_LT(absl::Now() - killed, absl::Milliseconds(900));  // no silence had to be waited for
  EXPECT_EQ(Status().epoch(), 2U);
  ExpectEveryExpertHeldOnce();
  EXPECT_THAT(directory(), ElementsAre("a0", "a1"));
}

TEST_F(ControlPlaneTest, FrozenWorkerIsBuriedAndJoinsAnewWhenItWakes) {
  StartCluster();
  workers_["e2"].role->Freeze(true);
  ASSERT_TRUE(AwaitSteady(4));
  EXPECT_EQ(Status().experts_covered(), 8);
  workers_["e2"].role->Freeze(false);
  ASSERT_TRUE(AwaitSteady(5));
  ExpectEveryExpertHeldOnce();
  EXPECT_TRUE(workers_["e2"].member->failure().ok());
}

TEST_F(ControlPlaneTest, WorkerOfAnotherModelIsRefusedAndTheClusterGoesOn) {
  StartCluster();
  v1::Hello hello = ExpertHello("wrong");
  hello.mutable_model()->set_fingerprint("beef");
  const auto member = Join(hello);
  EXPECT_EQ(member.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(member.status()), "MODEL_MISMATCH");
  EXPECT_THAT(MessageOf(member), HasSubstr("beef"));
  EXPECT_THAT(MessageOf(member), HasSubstr("f00d"));
  EXPECT_EQ(Status().epoch(), 1U);
}

TEST_F(ControlPlaneTest, LeavingWorkerIsDrained) {
  StartCluster();
  workers_["e0"].member->Leave(kPatience);
  EXPECT_TRUE(workers_["e0"].member->failure().ok());
  workers_.erase("e0");
  ASSERT_TRUE(AwaitSteady(4));
  ExpectEveryExpertHeldOnce();
}

TEST_F(ControlPlaneTest, RestartedRouterFindsTheClusterAsItWas) {
  StartCluster();
  std::map<std::string, std::set<int>> before;
  for (const auto& [id, worker] : workers_) before[id] = worker.role->held();
  StopRouter();
  StartRouter(target_);
  ASSERT_TRUE(AwaitSteady(5));
  EXPECT_EQ(Status().epoch(), 2U);
  for (const auto& [id, worker] : workers_) EXPECT_EQ(worker.role->held(), before[id]) << id;
}

TEST_F(ControlPlaneTest, RanksAreHaltedBeforeTheyPrepareWithoutOneThatHasDied) {
  for (const char* id : {"c0", "c1"}) Add(RankHello(v1::ROLE_COLOCATED, id));
  Add(RankHello(v1::ROLE_ATTENTION, "a0"));
  ASSERT_TRUE(AwaitSteady(3));
  EXPECT_THAT(directory(), ElementsAre("a0", "c0", "c1"));
  // A new router keeps what all of them are in.
  StopRouter();
  StartRouter(target_);
  ASSERT_TRUE(AwaitSteady(3));
  workers_.erase("c1");
  ASSERT_TRUE(AwaitSteady(2));
  EXPECT_EQ(Status().epoch(), 3U);
  for (const char* id : {"a0", "c0"}) {
    EXPECT_THAT(workers_[id].role->notes(),
                ElementsAre("prepare 1", "commit 1", "prepare 2", "commit 2", "halt 3", "prepare 3",
                            "commit 3"))
        << id;
  }
  ExpectEveryExpertHeldOnce();
}

TEST_F(ControlPlaneTest, DrainTellsHowFarItIs) {
  StartCluster();
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  v1::DrainRequest request;
  request.set_worker_id("e1");
  const auto stream = admin_->Drain(&context, request);
  std::vector<v1::ChangeProgress> steps;
  for (v1::ChangeProgress step; stream->Read(&step);) steps.push_back(step);
  EXPECT_TRUE(stream->Finish().ok());
  ASSERT_FALSE(steps.empty());
  EXPECT_TRUE(steps.back().done());
  EXPECT_EQ(steps.back().message(), "e1 has gone");
  ASSERT_TRUE(AwaitSteady(4));
}

TEST_F(ControlPlaneTest, DrainOfAnUnknownWorkerIsAnError) {
  grpc::ClientContext context;
  v1::DrainRequest request;
  request.set_worker_id("nobody");
  const auto stream = admin_->Drain(&context, request);
  v1::ChangeProgress step;
  EXPECT_FALSE(stream->Read(&step));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("nobody"));
}

TEST_F(ControlPlaneTest, ScaleTellsThePlanAndEveryPhase) {
  StartCluster();
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  v1::ScaleRequest request;
  request.set_role(v1::ROLE_EXPERT);
  request.set_count(1);
  const auto stream = admin_->Scale(&context, request);
  std::vector<std::string> phases;
  v1::ChangeProgress step;
  while (stream->Read(&step)) {
    if (phases.empty() || phases.back() != step.phase()) phases.push_back(step.phase());
  }
  EXPECT_TRUE(stream->Finish().ok());
  ASSERT_FALSE(phases.empty());
  EXPECT_EQ(phases.front(), "plan");
  EXPECT_THAT(phases, Contains("prepare"));
  EXPECT_THAT(phases, Contains("commit"));
  EXPECT_THAT(phases, Contains("retire"));
  EXPECT_EQ(phases.back(), "done");
  EXPECT_TRUE(step.done());
  EXPECT_EQ(step.experts_moved(), 5);
  EXPECT_THAT(step.message(), HasSubstr("1 expert worker, epoch 2; 5 experts moved"));
  ASSERT_TRUE(AwaitSteady(3));
  ExpectEveryExpertHeldOnce();
}

TEST_F(ControlPlaneTest, ScaleWithoutAHostSaysWhatToStartAndEndsForALaterOne) {
  StartCluster();
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  v1::ScaleRequest request;
  request.set_role(v1::ROLE_EXPERT);
  request.set_count(4);
  const auto stream = admin_->Scale(&context, request);
  v1::ChangeProgress step;
  ASSERT_TRUE(stream->Read(&step));
  EXPECT_EQ(step.phase(), "plan");
  ASSERT_TRUE(stream->Read(&step));
  EXPECT_EQ(step.phase(), "workers");
  EXPECT_THAT(step.message(), HasSubstr("start 1 more: expert_worker --model DIR --router"));
  grpc::ClientContext later_context;
  request.set_count(3);
  const auto later = admin_->Scale(&later_context, request);
  while (stream->Read(&step)) {
  }
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), HasSubstr("a later change to 3 expert workers"));
  while (later->Read(&step)) {
  }
  EXPECT_TRUE(step.done());
  EXPECT_TRUE(later->Finish().ok());
}

TEST_F(ControlPlaneTest, AHostIsToldHowManyAreWanted) {
  StartCluster();
  const auto hosts = v1::Hosts::NewStub(OpenChannel(target_));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  const auto stream = hosts->Follow(&context);
  v1::HostReport report;
  report.set_name("a host");
  ASSERT_TRUE(stream->Write(report));
  v1::HostOrders orders;
  ASSERT_TRUE(stream->Read(&orders));
  grpc::ClientContext scale_context;
  v1::ScaleRequest request;
  request.set_role(v1::ROLE_EXPERT);
  request.set_count(5);
  const auto scale = admin_->Scale(&scale_context, request);
  ASSERT_TRUE(stream->Read(&orders));
  // Three are there that it does not run.
  ASSERT_EQ(orders.wanted_size(), 4);
  EXPECT_EQ(orders.wanted(1).role(), v1::ROLE_EXPERT);
  EXPECT_EQ(orders.wanted(1).count(), 2);
  Add(ExpertHello("e3"));
  Add(ExpertHello("e4"));
  v1::ChangeProgress step;
  while (scale->Read(&step)) {
  }
  EXPECT_TRUE(step.done());
  EXPECT_TRUE(Await([](const auto& status) { return status.host().name() == "a host"; }));
  stream->WritesDone();
  static_cast<void>(stream->Finish());
  EXPECT_TRUE(Await([](const auto& status) { return !status.has_host(); }));
}

TEST_F(ControlPlaneTest, RebalanceNeedsLoadAndThenTellsWhatItDoes) {
  StartCluster();
  v1::ChangeProgress step;
  {
    grpc::ClientContext context;
    const auto stream = admin_->Rebalance(&context, {});
    EXPECT_FALSE(stream->Read(&step));
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  }
  // Two experts of one worker get all rows.
  std::map<int, std::int64_t> load;
  for (const int expert : workers_["e0"].role->held()) {
    if (load.size() < 2) load[expert] = 1000;
  }
  workers_["e0"].role->SetLoad(load);
  ASSERT_TRUE(Await([](const v1::ClusterStatus& status) {
    return std::count_if(status.expert_load().begin(), status.expert_load().end(),
                         [](double rate) { return rate > 0; }) == 2;
  }));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  const auto stream = admin_->Rebalance(&context, {});
  std::vector<std::string> phases;
  while (stream->Read(&step)) phases.push_back(step.phase());
  EXPECT_TRUE(stream->Finish().ok());
  ASSERT_FALSE(phases.empty());
  EXPECT_EQ(phases.front(), "plan");
  EXPECT_THAT(phases, Contains("prepare"));
  EXPECT_TRUE(step.done());
  EXPECT_EQ(step.experts_moved(), 1);  // one worker has room for one more
  ExpectEveryExpertHeldOnce();
}

TEST_F(ControlPlaneTest, MetricsCountEpochsPhasesAndWorkers) {
  StartCluster();
  workers_.erase("e1");
  ASSERT_TRUE(AwaitSteady(4));
  const std::string text = metrics_.Text();
  EXPECT_THAT(text, HasSubstr("sextant_cluster_epochs_total{cause=\"start\"} 1"));
  EXPECT_THAT(text, HasSubstr("sextant_cluster_epochs_total{cause=\"death\"} 1"));
  EXPECT_THAT(text, HasSubstr("sextant_cluster_epoch_phase_seconds_count{phase=\"commit\"} 2"));
  EXPECT_THAT(text, HasSubstr("sextant_cluster_workers{role=\"expert\",state=\"ready\"} 2"));
  EXPECT_THAT(text, HasSubstr("sextant_cluster_experts_covered 8"));
  EXPECT_THAT(text, HasSubstr("sextant_cluster_epoch 2"));
}

TEST_F(ControlPlaneTest, WatchShowsChangesAndGoesOnWithoutAny) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  const auto stream = admin_->Watch(&context, {});
  v1::ClusterStatus status;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(stream->Read(&status));
  EXPECT_THAT(status.workers(), IsEmpty());
  Add(ExpertHello("e0"));
  while (status.workers_size() == 0) ASSERT_TRUE(stream->Read(&status));
  EXPECT_THAT(status.events(0), HasSubstr("e0 joined"));
  context.TryCancel();
  while (stream->Read(&status)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(ControlPlaneTest, WatchersAreLimited) {
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::ClusterStatus>>> streams;
  v1::ClusterStatus status;
  for (int i = 0; i < 64; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    streams.push_back(admin_->Watch(contexts.back().get(), {}));
    ASSERT_TRUE(streams.back()->Read(&status));
  }
  grpc::ClientContext context;
  const auto one_more = admin_->Watch(&context, {});
  EXPECT_FALSE(one_more->Read(&status));
  EXPECT_EQ(one_more->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  for (auto& other : contexts) other->TryCancel();
  for (auto& stream : streams) {
    while (stream->Read(&status)) {
    }
    static_cast<void>(stream->Finish());
  }
}

TEST_F(ControlPlaneTest, WorkerThatSpeaksNonsenseIsAnswered) {
  auto stub = v1::Cluster::NewStub(OpenChannel(target_));
  grpc::ClientContext context;
  const auto stream = stub->Join(&context);
  v1::WorkerMessage message;
  message.mutable_heartbeat();
  stream->Write(message);
  v1::CoordinatorMessage answer;
  EXPECT_FALSE(stream->Read(&answer));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace sextant
