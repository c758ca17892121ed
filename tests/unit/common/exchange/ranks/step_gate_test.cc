// One thread, but for who waits for an epoch: what others would say meanwhile is said when the offer
// is sent.
#include "common/exchange/ranks/step_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <vector>

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

class StepGateTest : public ::testing::Test, protected ConductorLink, protected RankEngine {
 protected:
  void Send(const StepOffer& offer) override {
    offers_.push_back(offer);
    answer_(offer);
  }
  void Enter(std::uint64_t epoch) override {
    entered_.push_back(epoch);
    on_move_();
  }
  void Leave(std::uint64_t next) override {
    left_.push_back(next);
    on_move_();
  }
  absl::StatusOr<StepEnd> TakeWithoutRows(const RankStep& step) override {
    taken_.push_back(step.number);
    return end_;
  }

  // Attention rank 1 of two.
  void Prepare(std::uint64_t epoch) {
    gate_.Prepare({.number = epoch, .attention_ranks = 2, .attention = 1});
  }
  void Call(std::uint64_t epoch, std::uint64_t number, std::int64_t rows) {
    const StepCall call{.epoch = epoch,
                        .step = {.number = number, .slot_rows = 8, .slot_pairs = 48},
                        .rows = {1, rows}};
    EXPECT_TRUE(gate_.Hear(call).ok());
  }
  // Calls the rank to whatever it offers.
  void CallAlways() {
    answer_ = [this](const StepOffer& offer) { Call(offer.epoch, offer.step, offer.rows); };
  }

  StepGate gate_{*this, *this};
  std::function<void(const StepOffer&)> answer_;
  std::function<void()> on_move_ = [] {};  // while the engine enters or leaves
  absl::StatusOr<StepEnd> end_ = StepEnd::kDone;
  std::vector<StepOffer> offers_;
  std::vector<std::uint64_t> entered_;
  std::vector<std::uint64_t> left_;
  std::vector<std::uint64_t> taken_;  // without rows
};

TEST_F(StepGateTest, BeginsTheStepThatHasTheRows) {
  CallAlways();
  Prepare(3);
  for (std::uint64_t number = 1; number <= 2; ++number) {
    const absl::StatusOr<RankStep> step = gate_.Begin(5, false);
    ASSERT_TRUE(step.ok()) << step.status();
    EXPECT_EQ(step->number, number);
    gate_.End(StepEnd::kDone);
  }
  EXPECT_THAT(entered_, ElementsAre(3));
  EXPECT_THAT(taken_, IsEmpty());
}

TEST_F(StepGateTest, TakesStepsWithoutItsRowsFirst) {
  Prepare(3);
  answer_ = [this](const StepOffer&) { gate_.Wake(); };
  ASSERT_EQ(gate_.Serve().value(), Served::kWoken);
  EXPECT_EQ(offers_.size(), 1U);
  EXPECT_EQ(offers_[0].rows, 0);
  // The second offer crosses with the step.
  answer_ = [this](const StepOffer& offer) {
    Call(3, offer.step, offer.step == 1 ? 0 : offer.rows);
  };
  const absl::StatusOr<RankStep> step = gate_.Begin(5, false);
  ASSERT_TRUE(step.ok()) << step.status();
  EXPECT_EQ(step->number, 2U);
  EXPECT_THAT(taken_, ElementsAre(1));
  EXPECT_EQ(offers_.size(), 3U);
}

TEST_F(StepGateTest, ServesStepsAndOffersNothingOnce) {
  Prepare(3);
  CallAlways();
  EXPECT_EQ(gate_.Serve().value(), Served::kStep);
  EXPECT_EQ(gate_.Serve().value(), Served::kStep);
  EXPECT_THAT(taken_, ElementsAre(1, 2));
  EXPECT_EQ(offers_.size(), 2U);
  // Idle: woken, it says nothing again.
  answer_ = [this](const StepOffer&) { gate_.Wake(); };
  EXPECT_EQ(gate_.Serve().value(), Served::kWoken);
  gate_.Wake();
  EXPECT_EQ(gate_.Serve().value(), Served::kWoken);
  EXPECT_EQ(offers_.size(), 3U);
}

TEST_F(StepGateTest, IsWokenBeforeItOffersNothing) {
  Prepare(3);
  CallAlways();
  gate_.Wake();
  EXPECT_EQ(gate_.Serve().value(), Served::kWoken);
  EXPECT_THAT(offers_, IsEmpty());
}

TEST_F(StepGateTest, OffersTheRowsAgainInTheNextEpoch) {
  Prepare(3);
  answer_ = [this](const StepOffer& offer) {
    if (offer.epoch == 3) {
      gate_.EndBefore(4);
      Prepare(4);
    } else {
      Call(4, 1, offer.rows);
    }
  };
  const absl::StatusOr<RankStep> step = gate_.Begin(5, false);
  ASSERT_TRUE(step.ok()) << step.status();
  EXPECT_THAT(entered_, ElementsAre(3, 4));
  EXPECT_THAT(offers_, ElementsAre(Field(&StepOffer::epoch, 3), Field(&StepOffer::epoch, 4)));
}

TEST_F(StepGateTest, AVoidStepIsBegunAgainInTheNextEpoch) {
  Prepare(3);
  CallAlways();
  ASSERT_TRUE(gate_.Begin(5, false).ok());
  gate_.EndBefore(4);
  gate_.End(StepEnd::kVoid);
  Prepare(4);
  const absl::StatusOr<RankStep> step = gate_.Begin(5, false);
  ASSERT_TRUE(step.ok()) << step.status();
  EXPECT_EQ(step->number, 1U);
  EXPECT_THAT(entered_, ElementsAre(3, 4));
  EXPECT_EQ(offers_.back().epoch, 4U);
}

TEST_F(StepGateTest, GoesOnAfterTheLastStepOfAnEpoch) {
  Prepare(3);
  Prepare(4);
  answer_ = [this](const StepOffer& offer) {
    if (offer.epoch == 3) {
      EXPECT_TRUE(gate_.Hear(LastStep{.epoch = 3, .step = 0, .next = 4}).ok());
    } else {
      Call(4, 1, offer.rows);
    }
  };
  const absl::StatusOr<RankStep> step = gate_.Begin(5, false);
  ASSERT_TRUE(step.ok()) << step.status();
  EXPECT_THAT(entered_, ElementsAre(3, 4));
}

TEST_F(StepGateTest, ComesBackWhenWokenWithoutAnEpoch) {
  gate_.Wake();
  EXPECT_EQ(gate_.Begin(5, false).status().code(), absl::StatusCode::kUnavailable);
  gate_.Wake();
  EXPECT_EQ(gate_.Serve().value(), Served::kWoken);
  EXPECT_THAT(offers_, IsEmpty());
}

TEST_F(StepGateTest, LeavesAnEpochThatNoOtherOneFollows) {
  Prepare(3);
  answer_ = [this](const StepOffer&) { gate_.EndBefore(6); };
  on_move_ = [this] {
    if (!left_.empty()) gate_.Wake();
  };
  EXPECT_EQ(gate_.Begin(5, false).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(entered_, ElementsAre(3));
  EXPECT_THAT(left_, ElementsAre(6));
  gate_.Wake();
  EXPECT_EQ(gate_.Serve().value(), Served::kWoken);
  EXPECT_THAT(left_, ElementsAre(6));  // once
}

// Whoever waits for an epoch, on a thread of its own.
class AwaitedGateTest : public StepGateTest {
 protected:
  std::future<bool> Await(std::uint64_t epoch) {
    return std::async(std::launch::async, [this, epoch] { return gate_.AwaitEntered(epoch); });
  }
  // Enters or leaves, and comes back.
  void Move() {
    gate_.Wake();
    EXPECT_EQ(gate_.Serve().value(), Served::kWoken);
  }
};

TEST_F(AwaitedGateTest, AnEpochIsEnteredWhenTheEngineHas) {
  Prepare(3);
  std::future<bool> third = Await(3);
  Move();
  EXPECT_TRUE(third.get());
  EXPECT_TRUE(gate_.AwaitEntered(2));
  EXPECT_TRUE(gate_.AwaitEntered(3));
  // Not before, while it waits for its stream.
  Prepare(4);
  on_move_ = [this] {
    gate_.EndBefore(5);
    EXPECT_FALSE(gate_.AwaitEntered(4));
    on_move_ = [] {};
  };
  gate_.EndBefore(4);
  Move();
  EXPECT_THAT(entered_, ElementsAre(3, 4));
}

TEST_F(AwaitedGateTest, ARankThatIsNoMemberHasLeftWhenTheEngineHas) {
  EXPECT_TRUE(gate_.AwaitEntered(3));  // it is in none
  Prepare(3);
  Move();
  std::future<bool> fourth = Await(4);
  EXPECT_TRUE(gate_.Hear(LastStep{.epoch = 3, .step = 0, .next = 4}).ok());
  Move();
  EXPECT_TRUE(fourth.get());
  EXPECT_THAT(left_, ElementsAre(4));
  // Not before.
  Prepare(5);
  Move();
  on_move_ = [this] {
    gate_.EndBefore(7);
    EXPECT_FALSE(gate_.AwaitEntered(6));
  };
  gate_.EndBefore(6);
  Move();
  EXPECT_THAT(left_, ElementsAre(4, 6));
}

TEST_F(AwaitedGateTest, NobodyWaitsForAnEpochThatIsOverOrForAGateThatIsStopped) {
  Prepare(3);
  Move();
  Prepare(4);
  std::future<bool> fourth = Await(4);
  gate_.EndBefore(4);  // not that one
  gate_.EndBefore(5);
  EXPECT_FALSE(fourth.get());
  EXPECT_TRUE(gate_.AwaitEntered(3));  // it was
  std::future<bool> sixth = Await(6);
  Prepare(5);
  gate_.Stop();
  EXPECT_FALSE(sixth.get());
}

TEST_F(StepGateTest, EndsWhenStopped) {
  Prepare(3);
  answer_ = [this](const StepOffer&) { gate_.Stop(); };
  EXPECT_EQ(gate_.Begin(5, false).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(gate_.Serve().status().code(), absl::StatusCode::kCancelled);
}

TEST_F(StepGateTest, PassesOnWhyTheEngineCannotGoOn) {
  Prepare(3);
  CallAlways();
  end_ = absl::InternalError("the device is lost");
  EXPECT_EQ(gate_.Serve().status(), end_.status());
}

}  // namespace
}  // namespace sextant
