// Both ends of the exchange between processes, over real gRPC in one process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <random>
#include <thread>

#include "common/exchange/grpc_exchange.h"
#include "common/tensor/float_types.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/expert_worker/dispatch/fake_experts.h"
#include "tests/unit/expert_worker/service/expert_node.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

constexpr std::int32_t kExperts = 8;
constexpr std::int64_t kHidden = 24;

struct Fake {
  Fake(const TempDir& dir, const std::string& id, std::set<std::int32_t> held)
      : experts(held),
        node(id, "unix:" + dir.path() + "/" + id,
             {.num_experts = kExperts, .hidden = kHidden, .type = DType::kFp32}, experts) {}
  ~Fake() {
    node.Kill();
    experts.StandStill(false);
  }
  FakeExperts experts;
  ExpertNode node;
};

GrpcExchange::Options SomeOptions(absl::Duration patience = absl::Seconds(20)) {
  return {.num_experts = kExperts,
          .hidden = kHidden,
          .precision = Precision::kFp32,
          .own_host_id = HostId(),
          .dispatch_patience = patience};
}

std::vector<std::int32_t> Range(std::int32_t begin, std::int32_t end) {
  std::vector<std::int32_t> ids;
  for (; begin < end; ++begin) ids.push_back(begin);
  return ids;
}

// A dispatch of random rows and choices, and the check of what comes back.
class Question {
 public:
  Question(std::uint32_t seed, std::int64_t tokens, std::int64_t k, int layer = 1)
      : tokens_(tokens), k_(k), layer_(layer) {
    std::mt19937 random(seed);
    for (std::int64_t i = 0; i < tokens * kHidden; ++i) {
      rows_.push_back(static_cast<float>(random() % 1000));
    }
    for (std::int64_t i = 0; i < tokens * k; ++i) {
      ids_.push_back(static_cast<std::int32_t>(random() % kExperts));
    }
  }

  [[nodiscard]] ExpertDispatch dispatch() const {
    return {.layer = layer_,
            .rows = {rows_.data(), tokens_, kHidden},
            .expert_ids = {ids_.data(), tokens_, k_}};
  }

  void ExpectRight(const absl::StatusOr<ExpertOutputs>& outputs) const {
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    ASSERT_EQ(outputs->row_of.size(), ids_.size());
    for (std::size_t slot = 0; slot < ids_.size(); ++slot) {
      const float* x = rows_.data() + static_cast<std::int64_t>(slot) / k_ * kHidden;
      const float* y = outputs->rows.Row(outputs->row_of[slot]);
      for (std::int64_t i = 0; i < kHidden; ++i) {
        ASSERT_EQ(y[i], FakeOutput(x[i], ids_[slot], layer_)) << "slot " << slot;
      }
    }
  }

 private:
  std::int64_t tokens_;
  std::int64_t k_;
  int layer_;
  std::vector<float> rows_;
  std::vector<std::int32_t> ids_;
};

void Commit(GrpcExchange& exchange, const v1::Placement& placement) {
  const absl::Status status = exchange.Prepare(placement);
  ASSERT_TRUE(status.ok()) << status;
  exchange.Commit(placement.epoch());
  ASSERT_EQ(exchange.epoch(), placement.epoch());
}

TEST(ExchangeTest, EveryRowComesBackFromWhereverItsExpertsLive) {
  const TempDir dir;
  Fake a(dir, "a", {0, 1, 2, 3, 4});
  Fake b(dir, "b", {5, 6, 7});
  GrpcExchange exchange(SomeOptions());
  Commit(exchange, PlacementOf(1, {a.node.Placed(Range(0, 5)), b.node.Placed(Range(5, 8))}));
  for (std::uint32_t round = 0; round < 20; ++round) {
    const Question question(round, 1 + round * 3, 1 + round % 6, 1 + static_cast<int>(round % 4));
    ASSERT_TRUE(exchange.Dispatch(question.dispatch()).ok());
    question.ExpectRight(exchange.Collect());
  }
  EXPECT_EQ(exchange.counts().rows_resent, 0);
  EXPECT_EQ(exchange.counts().dispatches, 20);
  EXPECT_LE(exchange.counts().frames_sent, 40);
}

TEST(ExchangeTest, NoRowsAskNobody) {
  GrpcExchange exchange(SomeOptions());
  const Question question(1, 0, 6);
  ASSERT_TRUE(exchange.Dispatch(question.dispatch()).ok());
  question.ExpectRight(exchange.Collect());
}

TEST(ExchangeTest, ShapesAndIdsOutOfRangeAreRefused) {
  GrpcExchange exchange(SomeOptions());
  const std::vector<float> rows(kHidden);
  for (const std::int32_t id : {-1, kExperts}) {
    EXPECT_EQ(
        exchange
            .Dispatch({.layer = 1, .rows = {rows.data(), 1, kHidden}, .expert_ids = {&id, 1, 1}})
            .code(),
        absl::StatusCode::kInvalidArgument);
  }
  const std::int32_t id = 0;
  EXPECT_EQ(
      exchange
          .Dispatch({.layer = 1, .rows = {rows.data(), 1, kHidden - 1}, .expert_ids = {&id, 1, 1}})
          .code(),
      absl::StatusCode::kInvalidArgument);
}

TEST(ExchangeTest, WithoutAHolderItGivesUpAndNamesTheExperts) {
  const TempDir dir;
  Fake a(dir, "a", {0, 1});
  GrpcExchange exchange(SomeOptions(absl::Milliseconds(100)));
  Commit(exchange, PlacementOf(1, {a.node.Placed({0, 1})}));
  const std::vector<float> rows(kHidden);
  const std::vector<std::int32_t> ids = {1, 6, 3};
  ASSERT_TRUE(
      exchange
          .Dispatch(
              {.layer = 1, .rows = {rows.data(), 1, kHidden}, .expert_ids = {ids.data(), 1, 3}})
          .ok());
  const absl::Status status = exchange.Collect().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(MessageOf(status), HasSubstr("experts 3, 6 of epoch 1"));

  a.experts.Hold({0, 1, 3, 6});  // and it may be used on
  Commit(exchange, PlacementOf(2, {a.node.Placed({0, 1, 3, 6})}));
  ASSERT_TRUE(
      exchange
          .Dispatch(
              {.layer = 1, .rows = {rows.data(), 1, kHidden}, .expert_ids = {ids.data(), 1, 3}})
          .ok());
  EXPECT_TRUE(exchange.Collect().ok());
}

TEST(ExchangeTest, AWorkerKilledInMidDispatchIsReplacedByTheOtherHolder) {
  const TempDir dir;
  Fake a(dir, "a", {0, 1, 2, 3, 4, 5, 6, 7});
  Fake b(dir, "b", {0, 1, 2, 3, 4, 5, 6, 7});
  GrpcExchange exchange(SomeOptions());
  Commit(exchange, PlacementOf(1, {a.node.Placed(Range(0, 8)), b.node.Placed(Range(0, 8))}));
  a.experts.StandStill(true);
  const Question question(3, 40, 6);
  ASSERT_TRUE(exchange.Dispatch(question.dispatch()).ok());
  a.experts.WaitForBatch();
  a.node.Kill();
  question.ExpectRight(exchange.Collect());
  EXPECT_GT(exchange.counts().rows_resent, 0);
  EXPECT_GE(exchange.counts().streams_broken, 1);

  const Question next(4, 40, 6);  // and the survivor does it all
  ASSERT_TRUE(exchange.Dispatch(next.dispatch()).ok());
  next.ExpectRight(exchange.Collect());
}

TEST(ExchangeTest, RowsOfAKilledWorkerWaitForTheNextEpoch) {
  const TempDir dir;
  Fake a(dir, "a", {0, 1, 2, 3});
  Fake b(dir, "b", {4, 5, 6, 7});
  GrpcExchange exchange(SomeOptions());
  Commit(exchange, PlacementOf(1, {a.node.Placed(Range(0, 4)), b.node.Placed(Range(4, 8))}));
  b.experts.StandStill(true);
  const Question question(5, 30, 6);
  ASSERT_TRUE(exchange.Dispatch(question.dispatch()).ok());
  b.experts.WaitForBatch();
  b.node.Kill();
  std::thread coordinator([&] {
    absl::SleepFor(absl::Milliseconds(80));
    a.experts.Hold({0, 1, 2, 3, 4, 5, 6, 7});
    Commit(exchange, PlacementOf(2, {a.node.Placed(Range(0, 8))}));
  });
  question.ExpectRight(exchange.Collect());
  coordinator.join();
}

TEST(ExchangeTest, AFrozenWorkersRowsAreTakenAwayFromIt) {
  const TempDir dir;
  Fake a(dir, "a", {0, 1, 2, 3, 4, 5, 6, 7});
  Fake b(dir, "b", {4, 5, 6, 7});
  GrpcExchange exchange(SomeOptions());
  Commit(exchange, PlacementOf(1, {a.node.Placed(Range(0, 4)), b.node.Placed(Range(4, 8))}));
  b.experts.StandStill(true);
  const Question question(6, 30, 6);
  ASSERT_TRUE(exchange.Dispatch(question.dispatch()).ok());
  b.experts.WaitForBatch();
  std::thread coordinator([&] {
    absl::SleepFor(absl::Milliseconds(30));
    // b has been silent for too long: the placement does not name it any more.
    Commit(exchange, PlacementOf(2, {a.node.Placed(Range(0, 8))}));
  });
  question.ExpectRight(exchange.Collect());
  coordinator.join();
  b.experts.StandStill(false);
  const Question next(7, 30, 6);
  ASSERT_TRUE(exchange.Dispatch(next.dispatch()).ok());
  next.ExpectRight(exchange.Collect());
}

TEST(ExchangeTest, LateAnswersAreDroppedByNumber) {
  const TempDir dir;
  Fake a(dir, "a", {0, 1, 2, 3, 4, 5, 6});
  GrpcExchange exchange(SomeOptions(absl::Milliseconds(50)));
  Commit(exchange, PlacementOf(1, {a.node.Placed(Range(0, 7))}));
  a.experts.StandStill(true);
  const std::vector<float> rows(kHidden);
  const std::vector<std::int32_t> ids = {1, 7};  // nobody holds 7, so this dispatch is given up
  ASSERT_TRUE(
      exchange
          .Dispatch(
              {.layer = 1, .rows = {rows.data(), 1, kHidden}, .expert_ids = {ids.data(), 1, 2}})
          .ok());
  a.experts.WaitForBatch();
  EXPECT_EQ(exchange.Collect().status().code(), absl::StatusCode::kUnavailable);
  a.experts.StandStill(false);
  a.experts.Hold({0, 1, 2, 3, 4, 5, 6, 7});
  Commit(exchange, PlacementOf(2, {a.node.Placed(Range(0, 8))}));
  const Question question(13, 5, 4);
  ASSERT_TRUE(exchange.Dispatch(question.dispatch()).ok());
  question.ExpectRight(exchange.Collect());
  EXPECT_EQ(exchange.counts().stale_answers, 1);
}

TEST(ExchangeTest, AnExpertThatMovedIsFoundByTheNewPlacement) {
  const TempDir dir;
  Fake a(dir, "a", {0, 1, 2, 3});
  Fake b(dir, "b", {4, 5, 6, 7});
  GrpcExchange exchange(SomeOptions());
  Commit(exchange, PlacementOf(1, {a.node.Placed(Range(0, 4)), b.node.Placed(Range(4, 8))}));
  b.experts.Hold({6, 7});  // it dropped 4 and 5 early
  std::thread coordinator([&] {
    absl::SleepFor(absl::Milliseconds(120));
    a.experts.Hold({0, 1, 2, 3, 4, 5});
    Commit(exchange, PlacementOf(2, {a.node.Placed(Range(0, 6)), b.node.Placed(Range(6, 8))}));
  });
  const Question question(8, 30, 6);
  ASSERT_TRUE(exchange.Dispatch(question.dispatch()).ok());
  question.ExpectRight(exchange.Collect());
  coordinator.join();
  EXPECT_GT(exchange.counts().rows_resent, 0);
}

// As a process that is stopped: the kernel connects for it, and nobody answers.
class MuteListener {
 public:
  explicit MuteListener(const std::string& path) : path_(path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(socket_, 16), 0);
  }
  ~MuteListener() { close(socket_); }
  MuteListener(const MuteListener&) = delete;
  MuteListener& operator=(const MuteListener&) = delete;

  [[nodiscard]] v1::PlacedWorker Placed(const std::vector<std::int32_t>& experts) const {
    v1::PlacedWorker placed;
    placed.set_worker_id("mute");
    placed.mutable_endpoint()->set_host_id(HostId());
    placed.mutable_endpoint()->set_unix_target("unix:" + path_);
    placed.mutable_experts()->Add(experts.begin(), experts.end());
    return placed;
  }

 private:
  const std::string path_;
  const int socket_ = socket(AF_UNIX, SOCK_STREAM, 0);
};

TEST(ExchangeTest, ANewerPlacementEndsTheWaitForAWorkerThatIsFrozen) {
  const TempDir dir;
  const MuteListener mute(dir.path() + "/mute");
  Fake a(dir, "a", {0, 1, 2, 3, 4, 5, 6, 7});
  GrpcExchange::Options options = SomeOptions();
  options.connect_timeout = absl::Minutes(10);
  GrpcExchange exchange(options);
  absl::Status old;
  std::thread preparing([&] {
    old = exchange.Prepare(PlacementOf(1, {a.node.Placed(Range(0, 4)), mute.Placed(Range(4, 8))}));
  });
  exchange.Supersede(2);
  preparing.join();
  EXPECT_EQ(old.code(), absl::StatusCode::kAborted) << old;
  Commit(exchange, PlacementOf(2, {a.node.Placed(Range(0, 8))}));
  const Question question(1, 5, 3);
  ASSERT_TRUE(exchange.Dispatch(question.dispatch()).ok());
  question.ExpectRight(exchange.Collect());
}

TEST(ExchangeTest, RefusalsInACircleEnd) {
  const TempDir dir;
  Fake a(dir, "a", {});
  GrpcExchange exchange(SomeOptions(absl::Milliseconds(300)));
  Commit(exchange, PlacementOf(1, {a.node.Placed(Range(0, 8))}));
  const Question question(9, 4, 2);
  ASSERT_TRUE(exchange.Dispatch(question.dispatch()).ok());
  EXPECT_EQ(exchange.Collect().status().code(), absl::StatusCode::kUnavailable);
}

TEST(ExchangeTest, ABrokenStreamToALiveWorkerIsOpenedAnew) {
  const TempDir dir;
  Fake a(dir, "a", {0, 1, 2, 3, 4, 5, 6, 7});
  GrpcExchange exchange(SomeOptions());
  Commit(exchange, PlacementOf(1, {a.node.Placed(Range(0, 8))}));
  const Question question(10, 9, 3);
  ASSERT_TRUE(exchange.Dispatch(question.dispatch()).ok());
  question.ExpectRight(exchange.Collect());
  a.node.Kill();
  Fake again(dir, "a", {0, 1, 2, 3, 4, 5, 6, 7});  // on the same socket
  ASSERT_TRUE(exchange.Dispatch(question.dispatch()).ok());
  question.ExpectRight(exchange.Collect());
}

TEST(ExchangeTest, WhatCannotBeComputedIsAnErrorThatNamesTheWorker) {
  const TempDir dir;
  Fake a(dir, "a", {0, 1, 2, 3, 4, 5, 6, 7});
  GrpcExchange exchange(SomeOptions());
  Commit(exchange, PlacementOf(1, {a.node.Placed(Range(0, 8))}));
  a.experts.Fail(absl::InvalidArgumentError("shapes"));
  const Question question(11, 2, 2);
  ASSERT_TRUE(exchange.Dispatch(question.dispatch()).ok());
  absl::Status status = exchange.Collect().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(MessageOf(status), HasSubstr("expert worker a"));

  const Question dense(11, 2, 2, /*layer=*/0);
  ASSERT_TRUE(exchange.Dispatch(dense.dispatch()).ok());
  status = exchange.Collect().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(MessageOf(status), HasSubstr("layer 0"));
}

TEST(ExchangeTest, StopEndsCollect) {
  const TempDir dir;
  Fake a(dir, "a", {0, 1, 2, 3, 4, 5, 6, 7});
  GrpcExchange exchange(SomeOptions());
  Commit(exchange, PlacementOf(1, {a.node.Placed(Range(0, 8))}));
  a.experts.StandStill(true);
  const Question question(12, 2, 2);
  ASSERT_TRUE(exchange.Dispatch(question.dispatch()).ok());
  std::thread stopper([&] {
    a.experts.WaitForBatch();
    exchange.Stop();
  });
  EXPECT_EQ(exchange.Collect().status().code(), absl::StatusCode::kCancelled);
  stopper.join();
}

TEST(ExchangeTest, PlacementsThatMakeNoSenseAreRefused) {
  const TempDir dir;
  Fake a(dir, "a", {0});
  GrpcExchange exchange(SomeOptions());
  const auto code = [&](const v1::Placement& placement) {
    return exchange.Prepare(placement).code();
  };
  EXPECT_EQ(code(PlacementOf(0, {a.node.Placed({0})})), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(PlacementOf(1, {a.node.Placed({8})})), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(PlacementOf(1, {a.node.Placed({0, 0})})), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(PlacementOf(1, {a.node.Placed({0}), a.node.Placed({1})})),
            absl::StatusCode::kInvalidArgument);
  v1::PlacedWorker elsewhere = a.node.Placed({0});
  elsewhere.mutable_endpoint()->set_host_id("another");
  EXPECT_EQ(code(PlacementOf(1, {elsewhere})), absl::StatusCode::kInvalidArgument);
  v1::PlacedWorker absent = a.node.Placed({0});
  absent.mutable_endpoint()->set_unix_target("unix:" + dir.path() + "/nobody");
  const absl::Status status = exchange.Prepare(PlacementOf(1, {absent}));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(MessageOf(status), HasSubstr("/nobody"));
  exchange.Commit(77);  // never prepared
  EXPECT_EQ(exchange.epoch(), 0U);
}

// Two attention workers, whose dispatches for one layer the worker merges when they wait together.
TEST(ExchangeTest, TwoAttentionSidesAtOnceAreServedAndMerged) {
  const TempDir dir;
  Fake a(dir, "a", {0, 1, 2, 3, 4, 5, 6, 7});
  const v1::Placement placement = PlacementOf(1, {a.node.Placed(Range(0, 8))});
  GrpcExchange one(SomeOptions());
  GrpcExchange two(SomeOptions());
  GrpcExchange three(SomeOptions());
  for (GrpcExchange* exchange : {&one, &two, &three}) Commit(*exchange, placement);

  a.experts.StandStill(true);
  const Question first(20, 3, 2, /*layer=*/1);
  const Question second(21, 5, 3, /*layer=*/2);
  const Question third(22, 7, 6, /*layer=*/2);
  ASSERT_TRUE(one.Dispatch(first.dispatch()).ok());
  a.experts.WaitForBatch();
  ASSERT_TRUE(two.Dispatch(second.dispatch()).ok());
  ASSERT_TRUE(three.Dispatch(third.dispatch()).ok());
  while (a.node.worker().counts().waiting < 2) absl::SleepFor(absl::Milliseconds(1));
  a.experts.StandStill(false);
  first.ExpectRight(one.Collect());
  second.ExpectRight(two.Collect());
  third.ExpectRight(three.Collect());
  EXPECT_EQ(a.experts.batches(), 2);
  while (a.node.worker().counts().dispatches < 3) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(a.node.worker().counts().rows, 3 * 2 + 5 * 3 + 7 * 6);
}

// Epochs come while two threads dispatch: placements of one to three workers, changed all the time.
TEST(ExchangeTest, EpochsMayChangeAtAnyMoment) {
  const TempDir dir;
  std::vector<std::unique_ptr<Fake>> fakes;
  for (const char* id : {"a", "b", "c"}) {
    fakes.push_back(
        std::make_unique<Fake>(dir, id, std::set<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 7}));
  }
  const auto placement = [&](std::uint64_t epoch) {
    std::mt19937 random(static_cast<std::uint32_t>(epoch));
    std::vector<std::vector<std::int32_t>> experts(3);
    for (std::int32_t e = 0; e < kExperts; ++e) experts[random() % 3].push_back(e);
    std::vector<v1::PlacedWorker> workers;
    for (std::size_t i = 0; i < 3; ++i) {
      if (!experts[i].empty()) workers.push_back(fakes[i]->node.Placed(experts[i]));
    }
    return PlacementOf(epoch, workers);
  };
  std::atomic<bool> done = false;
  const auto attend = [&](GrpcExchange& exchange, std::uint32_t seed) {
    for (std::uint32_t round = 0; round < 150; ++round) {
      const Question question(seed + round, round % 17, 3, 1 + static_cast<int>(round % 4));
      ASSERT_TRUE(exchange.Dispatch(question.dispatch()).ok());
      question.ExpectRight(exchange.Collect());
    }
  };
  GrpcExchange one(SomeOptions());
  GrpcExchange two(SomeOptions());
  Commit(one, placement(1));
  Commit(two, placement(1));
  std::thread coordinator([&] {
    for (std::uint64_t epoch = 2; !done.load(); ++epoch) {
      Commit(one, placement(epoch));
      Commit(two, placement(epoch));
    }
  });
  std::thread other([&] { attend(two, 5000); });
  attend(one, 1000);
  other.join();
  done.store(true);
  coordinator.join();
  EXPECT_GT(one.epoch(), 5U);
}

}  // namespace
}  // namespace sextant
