#include "common/exchange/ranks/link/rank_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/exchange/ranks/conductor_host.h"
#include "common/exchange/ranks/link/ranks_service.h"
#include "common/rpc/server.h"
#include "proto/sextant/v1/ranks.grpc.pb.h"
#include "tests/support/temp_dir.h"

namespace sextant {
namespace {

constexpr ConductedLimits kLimits{.chosen = 6, .most_slot_rows = 16, .most_rows = 64};

// `size` ranks with an expert each, of which the first `attending` attend.
RankLayout Layout(int size, int attending) {
  std::vector<RankRole> roles;
  for (int rank = 0; rank < size; ++rank) {
    roles.push_back({.attends = rank < attending, .experts = {rank}});
  }
  auto layout = RankLayout::Make(size, std::move(roles));
  EXPECT_TRUE(layout.ok());
  return *std::move(layout);
}

// A rank whose steps take no time.
class TestRank final : private RankEngine {
 public:
  TestRank()
      : link_({.on_trouble = [this](const RankTrouble& trouble) { Add(trouble); },
               .first_retry = absl::Milliseconds(1),
               .longest_retry = absl::Milliseconds(20)}) {
    link_.Use(gate_);
  }
  ~TestRank() override {
    gate_.Stop();
    if (server_.joinable()) server_.join();
    link_.Stop();
  }

  void Prepare(std::uint64_t epoch, int rank, const std::string& target, int attending) {
    link_.Prepare(epoch, rank, target);
    RankEpoch mine{.number = epoch, .attention_ranks = attending};
    if (rank < attending) mine.attention = rank;
    gate_.Prepare(mine);
  }
  // Takes steps with a row each.
  void Take(int steps) {
    for (int i = 0; i < steps; ++i) {
      const auto step = gate_.Begin(1, false);
      ASSERT_TRUE(step.ok()) << step.status();
      gate_.End(StepEnd::kDone);
    }
  }
  // Takes part in the steps of others, on a thread.
  void Serve() {
    server_ = std::thread([this] {
      while (gate_.Serve().ok()) {
      }
    });
  }
  void WaitForServed(std::uint64_t steps) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return served_.size() >= steps; });
    for (std::uint64_t i = 0; i < served_.size(); ++i) EXPECT_EQ(served_[i], i + 1);
  }
  RankTrouble WaitForTrouble() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return !troubles_.empty(); });
    return troubles_.front();
  }

  RankLink& link() { return link_; }

 private:
  void Enter(std::uint64_t) override {}
  void Leave(std::uint64_t) override {}
  absl::StatusOr<StepEnd> TakeWithoutRows(const RankStep& step) override {
    const std::unique_lock<std::mutex> lock(mutex_);
    served_.push_back(step.number);
    changed_.notify_all();
    return StepEnd::kDone;
  }
  void Add(const RankTrouble& trouble) {
    const std::unique_lock<std::mutex> lock(mutex_);
    troubles_.push_back(trouble);
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::uint64_t> served_;
  std::vector<RankTrouble> troubles_;
  RankLink link_;
  StepGate gate_{link_, *this};
  std::thread server_;
};

class RankLinkTest : public ::testing::Test {
 protected:
  void Start() {
    auto server = RpcServer::Start({.listen = {target_}, .services = {&service_}});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  const TempDir folder_;
  const std::string target_ = "unix:" + folder_.File("s");
  ConductorHost host_{kLimits};
  RanksService service_{host_};
  std::unique_ptr<RpcServer> server_;
};

TEST_F(RankLinkTest, StepsAreTakenByAllAndEpochsFollowEachOther) {
  Start();
  TestRank attending;
  TestRank holding;
  holding.Serve();
  host_.Conduct(1, Layout(2, 1), "one");
  attending.Prepare(1, 0, target_, 1);
  holding.Prepare(1, 1, target_, 1);
  attending.Take(3);
  holding.WaitForServed(3);
  host_.Conduct(2, Layout(1, 1), "two");
  attending.Prepare(2, 0, target_, 1);
  host_.Switch(1, 2);
  attending.Take(3);
  EXPECT_EQ(*attending.link().FetchId(2, absl::Seconds(60)), "two");
  // All have heard the end of the first one: it is forgotten, and only the second has a stream.
  while (service_.streams() > 1) std::this_thread::yield();
}

TEST_F(RankLinkTest, StreamsThatBreakAreOpenedAgain) {
  Start();
  host_.Conduct(1, Layout(3, 2), "id");
  TestRank first;
  TestRank second;
  TestRank holding;
  holding.Serve();
  holding.Prepare(1, 2, target_, 2);
  first.Prepare(1, 0, target_, 2);
  second.Prepare(1, 1, target_, 2);
  constexpr int kSteps = 400;
  std::atomic<bool> done = false;
  std::thread breaking([&] {
    while (!done) {
      for (TestRank* rank : {&first, &second, &holding}) rank->link().BreakStreams();
      std::this_thread::yield();
    }
  });
  std::thread other([&] { second.Take(kSteps); });
  // Only a step in which all take part lets the next one begin, so nobody can be far behind.
  for (int step = 1; step <= kSteps; ++step) {
    first.Take(1);
    holding.WaitForServed(static_cast<std::uint64_t>(step));
  }
  other.join();
  done = true;
  breaking.join();
  EXPECT_TRUE(holding.WaitForTrouble().retried);
}

TEST_F(RankLinkTest, ARankThatComesLateMissesNothing) {
  Start();
  host_.Conduct(1, Layout(2, 1), "id");
  TestRank attending;
  attending.Prepare(1, 0, target_, 1);
  attending.Take(10);
  TestRank holding;
  holding.Serve();
  holding.Prepare(1, 1, target_, 1);
  holding.WaitForServed(10);
}

TEST_F(RankLinkTest, AConductorThatComesLateIsFound) {
  TestRank attending;
  attending.Prepare(1, 0, target_, 1);
  const RankTrouble trouble = attending.WaitForTrouble();
  EXPECT_TRUE(trouble.retried);
  EXPECT_TRUE(absl::IsUnavailable(trouble.status)) << trouble.status;
  Start();
  std::thread control([this] { host_.Conduct(1, Layout(1, 1), "id"); });
  attending.Take(3);
  control.join();
}

TEST_F(RankLinkTest, ARankThatIsRefusedSaysSo) {
  Start();
  host_.Conduct(1, Layout(1, 1), "id");
  TestRank stranger;
  stranger.Prepare(1, 1, target_, 1);
  const RankTrouble trouble = stranger.WaitForTrouble();
  EXPECT_EQ(trouble.epoch, 1U);
  EXPECT_FALSE(trouble.retried);
  EXPECT_TRUE(absl::IsInvalidArgument(trouble.status)) << trouble.status;
}

TEST_F(RankLinkTest, AnIdIsWaitedForUntilItsEpochIsGivenUp) {
  Start();
  TestRank rank;
  EXPECT_TRUE(absl::IsFailedPrecondition(rank.link().FetchId(1, absl::Seconds(60)).status()));
  rank.link().Prepare(1, 0, target_);
  EXPECT_TRUE(absl::IsDeadlineExceeded(rank.link().FetchId(1, absl::Milliseconds(20)).status()));
  std::thread control([&] {
    host_.Conduct(1, Layout(1, 1), "id");
    rank.link().Prepare(2, 0, target_);
  });
  EXPECT_EQ(*rank.link().FetchId(1, absl::Seconds(60)), "id");
  control.join();
  std::thread ending([&] { rank.link().EndBefore(3); });
  const absl::Status ended = rank.link().FetchId(2, absl::Seconds(60)).status();
  EXPECT_TRUE(absl::IsCancelled(ended) || absl::IsFailedPrecondition(ended)) << ended;
  ending.join();
}

// What no conductor says.
class UnsoundConductor final : public v1::Ranks::Service {
 public:
  explicit UnsoundConductor(v1::ConductorMessage message) : message_(std::move(message)) {}

  grpc::Status Attend(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::ConductorMessage, v1::RankMessage>* stream) override {
    stream->Write(message_);
    v1::RankMessage message;
    while (stream->Read(&message)) {
    }
    return grpc::Status::OK;
  }

 private:
  const v1::ConductorMessage message_;
};

TEST_F(RankLinkTest, AConductorThatIsUnsoundIsGivenUp) {
  std::vector<v1::ConductorMessage> messages(4);
  messages[1].mutable_call()->set_step(1);  // of no form
  messages[2].mutable_call()->set_step(7);
  messages[2].mutable_call()->set_form(v1::RANK_CALL_FORM_SLOTS);
  messages[3].mutable_last()->set_step(3);
  for (const v1::ConductorMessage& message : messages) {
    UnsoundConductor service(message);
    auto server = RpcServer::Start({.listen = {target_}, .services = {&service}});
    ASSERT_TRUE(server.ok()) << server.status();
    TestRank rank;
    rank.link().Prepare(1, 0, target_);
    const RankTrouble trouble = rank.WaitForTrouble();
    EXPECT_FALSE(trouble.retried);
    EXPECT_TRUE(absl::IsInvalidArgument(trouble.status)) << trouble.status;
  }
}

// From the offer to the call, as the engine thread of the only rank sees it.
TEST_F(RankLinkTest, RoundTrip) {
  Start();
  host_.Conduct(1, Layout(1, 1), "id");
  TestRank rank;
  rank.Prepare(1, 0, target_, 1);
  rank.Take(200);
  std::vector<double> us(2000);
  for (double& one : us) {
    const absl::Time begin = absl::Now();
    rank.Take(1);
    one = absl::ToDoubleMicroseconds(absl::Now() - begin);
  }
  std::sort(us.begin(), us.end());
  std::cout << "offer to call over a unix socket, us: p50 " << us[us.size() / 2] << ", p99 "
            << us[us.size() * 99 / 100] << "\n";
}

}  // namespace
}  // namespace sextant
