// How RankExchange goes from epoch to epoch; what it carries is seen where a whole model computes
// (tests/unit/cli/engine/device_rank_test.cc).
#include "common/exchange/ranks/rank_exchange.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/device/emulated_gpu.h"
#include "tests/support/ranks/fake_network.h"
#include "tests/unit/common/exchange/ranks/stub_communicator.h"
#include "tests/unit/common/exchange/ranks/stub_halves.h"

namespace sextant {
namespace {

constexpr int kLayers = 2;

// A rank that attends and holds expert 0, and is called to whatever it offers with rows.
class RankExchangeTest : public ::testing::Test, private ConductorLink {
 protected:
  RankExchangeTest() {
    RankExchange::Parts parts{
        .gpu = gpu_, .stream = stream_, .sender = &sender_, .host = &host_, .link = *this};
    for (int layer = 0; layer < kLayers; ++layer) parts.moe_layers.push_back(layer);
    exchange_ = *RankExchange::Create(std::move(parts));
  }

  void Send(const StepOffer& offer) override {
    if (offer.rows == 0) return;
    RankStep step = SlotsFor(4, 1, 1);
    step.number = offer.step;
    const absl::Status heard =
        exchange_->gate().Hear(StepCall{.epoch = offer.epoch, .step = step, .rows = {offer.rows}});
    EXPECT_TRUE(heard.ok()) << heard;
  }

  void Prepare(std::uint64_t epoch, std::shared_ptr<Communicator> communicator) {
    std::vector<RankRole> roles = {{.attends = true, .experts = {0}}};
    if (communicator->size() == 2) roles.push_back({.attends = false, .experts = {1}});
    const auto experts = static_cast<std::int32_t>(roles.size());
    const absl::Status prepared = exchange_->Prepare(
        {epoch, std::move(communicator), *RankLayout::Make(experts, std::move(roles))});
    ASSERT_TRUE(prepared.ok()) << prepared;
  }
  // An epoch of this rank alone, whose communicator is sound whatever comes.
  void PrepareAlone(std::uint64_t epoch) {
    Prepare(epoch, std::make_shared<StubCommunicator>([&told = ended_] { told.set_value(); }));
  }

  // A step with rows, put on the stream as one that could be captured.
  [[nodiscard]] absl::Status Begin() {
    return exchange_->Begin({.rows = 1, .may_be_graph = true}).status();
  }
  void PutOnStream() {
    for (int layer = 0; layer < kLayers; ++layer) {
      EXPECT_TRUE(exchange_->Dispatch(stream_.handle(), {.layer = layer, .tokens = 1}).ok());
      EXPECT_TRUE(exchange_->Collect(stream_.handle()).ok());
    }
    EXPECT_TRUE(exchange_->End(stream_.handle()).ok());
  }
  void Step() {
    const absl::Status begun = Begin();
    ASSERT_TRUE(begun.ok()) << begun;
    PutOnStream();
  }
  [[nodiscard]] absl::Status WaitAndConfirm() {
    EXPECT_TRUE(stream_.Synchronize().ok());
    return exchange_->Confirm();
  }

  EmulatedGpu gpu_{1 << 20};
  GpuStream stream_ = *GpuStream::Create(gpu_);
  StubSender sender_{gpu_};
  StubHost host_{gpu_};
  std::promise<void> ended_;  // the communicator of PrepareAlone
  std::unique_ptr<RankExchange> exchange_;
};

TEST_F(RankExchangeTest, AHaltFailsTheStepsThatAreNotConfirmed) {
  PrepareAlone(1);
  Step();
  EXPECT_TRUE(WaitAndConfirm().ok());
  Step();
  Step();
  EXPECT_TRUE(WaitAndConfirm().ok());
  exchange_->Halt(2);
  EXPECT_TRUE(absl::IsUnavailable(WaitAndConfirm()));
  EXPECT_TRUE(exchange_->Check().ok());
  exchange_->gate().Wake();
  EXPECT_TRUE(absl::IsUnavailable(Begin())) << "there is no epoch";
}

TEST_F(RankExchangeTest, NothingIsPutOnTheStreamOfAHaltedEpoch) {
  PrepareAlone(1);
  ASSERT_TRUE(Begin().ok());
  exchange_->Halt(2);
  EXPECT_TRUE(
      absl::IsUnavailable(exchange_->Dispatch(stream_.handle(), {.layer = 0, .tokens = 1})));
  EXPECT_TRUE(exchange_->Check().ok()) << "nobody waits for it there";
}

TEST_F(RankExchangeTest, WhatWaitsInAHaltedEpochGoesOnAtTheAbort) {
  FakeNetwork network(2);
  Prepare(1, network.Join(0, gpu_));  // and rank 1 is dead
  std::promise<void> waiting;
  std::atomic<bool> aborted = false;
  std::thread engine([&] {
    Step();
    waiting.set_value();
    EXPECT_TRUE(absl::IsUnavailable(WaitAndConfirm()));
    EXPECT_TRUE(aborted);
    Step();  // in the next epoch
    EXPECT_TRUE(WaitAndConfirm().ok());
  });
  waiting.get_future().wait();
  exchange_->Halt(2);
  PrepareAlone(2);
  aborted = true;
  exchange_->EndBefore(2);
  EXPECT_TRUE(exchange_->AwaitEntered(2));
  engine.join();
}

TEST_F(RankExchangeTest, AnEpochThatWasLeftLetsGoOfItsCommunicator) {
  PrepareAlone(1);
  Step();  // and it is on the stream
  EXPECT_TRUE(exchange_->gate().Hear(LastStep{.epoch = 1, .step = 1, .next = 2}).ok());
  exchange_->gate().Wake();
  EXPECT_EQ(exchange_->Serve().value(), Served::kWoken);
  EXPECT_TRUE(exchange_->AwaitEntered(2));
  ended_.get_future().wait();
  EXPECT_TRUE(exchange_->Confirm().ok());  // the stream has been waited for
}

TEST_F(RankExchangeTest, AHaltedEpochThatWasLeftIsAbortedAllTheSame) {
  bool aborted = false;
  Prepare(1, std::make_shared<StubCommunicator>([] {}, &aborted));
  exchange_->gate().Wake();
  EXPECT_EQ(exchange_->Serve().value(), Served::kWoken);
  exchange_->Halt(2);
  exchange_->gate().Wake();
  EXPECT_EQ(exchange_->Serve().value(), Served::kWoken);  // has left
  EXPECT_TRUE(exchange_->AwaitEntered(1));
  EXPECT_FALSE(aborted);
  exchange_->EndBefore(2);
  EXPECT_TRUE(aborted);
}

TEST_F(RankExchangeTest, AnEngineThatLeavesAStepCannotGoOn) {
  PrepareAlone(1);
  ASSERT_TRUE(Begin().ok());
  EXPECT_TRUE(absl::IsInternal(exchange_->Check()));
  EXPECT_TRUE(absl::IsInternal(exchange_->Serve().status()));
  exchange_->EndBefore(2);
  EXPECT_TRUE(absl::IsInternal(Begin()));
  EXPECT_TRUE(absl::IsInternal(exchange_->Check()));
}

}  // namespace
}  // namespace sextant
