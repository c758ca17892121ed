#include "attention_worker/serving/rank_wait.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "tests/support/device/emulated_gpu.h"
#include "tests/unit/common/exchange/ranks/stub_communicator.h"
#include "tests/unit/common/exchange/ranks/stub_halves.h"

namespace sextant {
namespace {

class RankWaitTest : public ::testing::Test, private ConductorLink {
 protected:
  RankWaitTest()
      : exchange_(*RankExchange::Create({.gpu = gpu_,
                                         .stream = stream_,
                                         .sender = &sender_,
                                         .host = &host_,
                                         .link = *this,
                                         .moe_layers = {1}})) {}

  void Send(const StepOffer& offer) override { offered_.set_value(offer.rows); }

  std::future<absl::Status> Wait() {
    return std::async(std::launch::async, [this] { return wait_.Wait(); });
  }
  void Prepare(std::uint64_t epoch) {
    const absl::Status prepared =
        exchange_->Prepare({epoch, std::make_shared<StubCommunicator>(),
                            *RankLayout::Make(1, {RankRole{.attends = true, .experts = {0}}})});
    ASSERT_TRUE(prepared.ok()) << prepared;
  }

  EmulatedGpu gpu_{1 << 20};
  GpuStream stream_ = *GpuStream::Create(gpu_);
  StubSender sender_{gpu_};
  StubHost host_{gpu_};
  std::promise<std::int64_t> offered_;
  std::unique_ptr<RankExchange> exchange_;
  RankWait wait_{*exchange_};
};

TEST_F(RankWaitTest, IsWokenWithAndWithoutAnEpoch) {
  std::future<absl::Status> waiting = Wait();
  wait_.Wake();
  EXPECT_TRUE(waiting.get().ok());
  waiting = Wait();
  Prepare(1);
  EXPECT_EQ(offered_.get_future().get(), 0);  // it is in the epoch, and has nothing
  wait_.Wake();
  EXPECT_TRUE(waiting.get().ok());
}

TEST_F(RankWaitTest, AStepThatWaitsForAnEpochWaitsForOthers) {
  EXPECT_FALSE(wait_.waits_for_others());
  auto begun = std::async(std::launch::async, [this] {
    return exchange_->Begin({.rows = 1, .may_be_graph = true}).status();
  });
  while (!wait_.waits_for_others()) std::this_thread::yield();
  wait_.Wake();
  EXPECT_TRUE(absl::IsUnavailable(begun.get()));
  EXPECT_FALSE(wait_.waits_for_others());
}

TEST_F(RankWaitTest, AWakeThatComesFirstIsKept) {
  wait_.Wake();
  EXPECT_TRUE(wait_.Wait().ok());
}

TEST_F(RankWaitTest, AStepThatIsWokenWithoutAnEpochIsTriedAgainAtOnce) {
  wait_.Wake();
  const absl::Status begun = exchange_->Begin({.rows = 1, .may_be_graph = true}).status();
  EXPECT_TRUE(absl::IsUnavailable(begun));
  wait_.WaitToRetry(begun, absl::InfiniteDuration());  // the next one waits by itself
}

TEST_F(RankWaitTest, WaitsAfterTheGateIsStoppedAndForWhatNeverComesAgain) {
  exchange_->gate().Stop();
  for (int i = 0; i < 2; ++i) {
    std::future<absl::Status> waiting = Wait();
    wait_.Wake();
    EXPECT_TRUE(waiting.get().ok());
  }
  const absl::Status begun = exchange_->Begin({.rows = 1, .may_be_graph = true}).status();
  EXPECT_TRUE(absl::IsCancelled(begun));
  auto retry =
      std::async(std::launch::async, [&] { wait_.WaitToRetry(begun, absl::InfiniteDuration()); });
  wait_.Wake();
  retry.get();
}

TEST_F(RankWaitTest, TellsThatTheEngineCannotGoOn) {
  // Called to a step that it has offered nothing for: no sound conductor does.
  const StepCall call{
      .epoch = 1, .step = {.number = 1, .slot_rows = 4, .slot_pairs = 4}, .rows = {1}};
  ASSERT_TRUE(exchange_->gate().Hear(call).ok());
  Prepare(1);
  EXPECT_TRUE(absl::IsInvalidArgument(wait_.Wait()));
  EXPECT_TRUE(absl::IsInvalidArgument(exchange_->Check()));
}

}  // namespace
}  // namespace sextant
