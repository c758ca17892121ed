#include "common/exchange/ranks/rank_pace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sextant {
namespace {

using ::testing::HasSubstr;

RankStep Slots(std::uint64_t number, std::int64_t rows = 8) {
  return {.number = number, .form = RankStepForm::kSlots, .slot_rows = rows, .slot_pairs = 16};
}
StepCall Call(std::uint64_t epoch, std::uint64_t number, std::int64_t mine,
              std::int64_t others = 8) {
  return {.epoch = epoch, .step = Slots(number), .rows = {others, mine}};
}

class RankPaceTest : public ::testing::Test {
 protected:
  // Attention rank 1 of two.
  static RankEpoch Attends(std::uint64_t number) {
    return {.number = number, .attention_ranks = 2, .attention = 1};
  }
  static RankEpoch Holds(std::uint64_t number) {
    return {.number = number, .attention_ranks = 2, .attention = std::nullopt};
  }

  void Enter(const RankEpoch& epoch) {
    pace_.Prepare(epoch);
    ASSERT_EQ(pace_.turn(), Turn::kEnter);
    ASSERT_TRUE(pace_.Enter().ok());
    ASSERT_EQ(pace_.epoch(), epoch.number);
  }
  // Of epochs that are over none before `next` goes on.
  void Leave(std::uint64_t next) {
    ASSERT_EQ(pace_.turn(), Turn::kLeave);
    EXPECT_FALSE(pace_.out());
    EXPECT_EQ(pace_.first(), next);
    pace_.Leave();
    EXPECT_EQ(pace_.turn(), Turn::kOut);
    EXPECT_TRUE(pace_.out());
  }
  template <typename Message>
  void Hear(const Message& message) {
    const absl::Status heard = pace_.Hear(message);
    EXPECT_TRUE(heard.ok()) << heard;
  }
  template <typename Message>
  void Refuses(const Message& message, const std::string& why) {
    const Turn before = pace_.turn();
    const absl::Status heard = pace_.Hear(message);
    EXPECT_EQ(heard.code(), absl::StatusCode::kInvalidArgument) << why;
    EXPECT_THAT(std::string(heard.message()), HasSubstr(why));
    EXPECT_EQ(pace_.turn(), before);
  }
  void TakeWith(std::int64_t rows, std::uint64_t number) {
    ASSERT_EQ(pace_.turn(), Turn::kTake);
    const TakenStep taken = pace_.Take();
    EXPECT_EQ(taken.rows, rows);
    EXPECT_EQ(taken.step, Slots(number));
    EXPECT_EQ(pace_.turn(), Turn::kStep);
  }

  RankPace pace_;
};

TEST_F(RankPaceTest, OffersOnceAfterEachStep) {
  EXPECT_EQ(pace_.turn(), Turn::kOut);
  Enter(Attends(3));
  ASSERT_EQ(pace_.turn(), Turn::kOffer);
  EXPECT_EQ(pace_.Offer(5, false),
            (StepOffer{.epoch = 3, .step = 1, .attention = 1, .rows = 5, .exact = false}));
  EXPECT_EQ(pace_.turn(), Turn::kWait);
  EXPECT_FALSE(pace_.may_raise());
  Hear(Call(3, 1, 5));
  TakeWith(5, 1);
  pace_.End(StepEnd::kDone);
  ASSERT_EQ(pace_.turn(), Turn::kOffer);
  EXPECT_EQ(pace_.Offer(2, true),
            (StepOffer{.epoch = 3, .step = 2, .attention = 1, .rows = 2, .exact = true}));
}

TEST_F(RankPaceTest, TakesAStepWithoutTheRowsThatCameTooLate) {
  Enter(Attends(3));
  EXPECT_EQ(pace_.Offer(0, false).rows, 0);
  EXPECT_TRUE(pace_.may_raise());
  EXPECT_EQ(pace_.Offer(4, false).step, 1U);
  EXPECT_FALSE(pace_.may_raise());
  Hear(Call(3, 1, 0));
  TakeWith(0, 1);
  pace_.End(StepEnd::kDone);
  EXPECT_EQ(pace_.turn(), Turn::kOffer);
  EXPECT_EQ(pace_.Offer(4, false).step, 2U);
  Hear(Call(3, 2, 4));
  TakeWith(4, 2);
}

TEST_F(RankPaceTest, HoldersWaitForCalls) {
  Enter(Holds(3));
  EXPECT_EQ(pace_.turn(), Turn::kWait);
  EXPECT_FALSE(pace_.may_raise());
  Hear(Call(3, 1, 5));
  TakeWith(0, 1);
  Hear(Call(3, 2, 5));  // while the first is under way
  EXPECT_EQ(pace_.turn(), Turn::kStep);
  pace_.End(StepEnd::kDone);
  TakeWith(0, 2);
  pace_.End(StepEnd::kDone);
  EXPECT_EQ(pace_.turn(), Turn::kWait);
}

TEST_F(RankPaceTest, ADeathEndsAnEpochInAndBetweenSteps) {
  Enter(Attends(3));
  static_cast<void>(pace_.Offer(5, false));
  Hear(Call(3, 1, 5));
  TakeWith(5, 1);
  pace_.EndBefore(4);
  pace_.Prepare(Attends(4));
  EXPECT_EQ(pace_.turn(), Turn::kStep);
  pace_.End(StepEnd::kVoid);
  EXPECT_EQ(pace_.turn(), Turn::kEnter);
  ASSERT_TRUE(pace_.Enter().ok());
  EXPECT_EQ(pace_.Offer(5, false).step, 1U);
  // Begun and not taken: nobody takes it.
  Hear(Call(4, 1, 5));
  pace_.EndBefore(5);
  Leave(5);
}

TEST_F(RankPaceTest, TakesNoStepAfterAVoidOne) {
  Enter(Holds(3));
  Hear(Call(3, 1, 5));
  TakeWith(0, 1);
  Hear(Call(3, 2, 5));
  pace_.End(StepEnd::kVoid);
  EXPECT_EQ(pace_.turn(), Turn::kOut);
  EXPECT_FALSE(pace_.out());  // the epoch is not over
  pace_.Prepare(Holds(4));
  EXPECT_EQ(pace_.turn(), Turn::kOut);
  pace_.EndBefore(4);
  EXPECT_EQ(pace_.turn(), Turn::kEnter);
}

TEST_F(RankPaceTest, GoesOnToTheNextEpochAfterTheLastStep) {
  Enter(Attends(3));
  pace_.Prepare(Attends(4));  // given up for 5 later
  pace_.Prepare(Holds(5));
  static_cast<void>(pace_.Offer(5, false));
  Hear(Call(3, 1, 5));
  Hear(LastStep{.epoch = 3, .step = 1, .next = 5});
  TakeWith(5, 1);
  pace_.End(StepEnd::kDone);
  ASSERT_EQ(pace_.turn(), Turn::kEnter);
  ASSERT_TRUE(pace_.Enter().ok());
  EXPECT_EQ(pace_.epoch(), 5U);
  EXPECT_EQ(pace_.turn(), Turn::kWait);
}

TEST_F(RankPaceTest, AnOfferThatCrossedWithTheEndCountsNowhere) {
  Enter(Attends(3));
  pace_.Prepare(Attends(4));
  static_cast<void>(pace_.Offer(5, false));
  Hear(LastStep{.epoch = 3, .step = 0, .next = 4});
  ASSERT_EQ(pace_.turn(), Turn::kEnter);
  ASSERT_TRUE(pace_.Enter().ok());
  EXPECT_EQ(pace_.turn(), Turn::kOffer);
}

TEST_F(RankPaceTest, LeavesWhereTheNextEpochGoesOnWithoutIt) {
  EXPECT_TRUE(pace_.out());
  pace_.Prepare(Holds(3));
  EXPECT_FALSE(pace_.out());  // it is about to enter
  Enter(Holds(3));
  Hear(Call(3, 1, 5));
  Hear(LastStep{.epoch = 3, .step = 1, .next = 4});
  TakeWith(0, 1);
  EXPECT_FALSE(pace_.out());
  pace_.End(StepEnd::kDone);
  Leave(4);
  // It may come back, and need not leave what it has left.
  Enter(Holds(5));
  EXPECT_FALSE(pace_.out());
}

TEST_F(RankPaceTest, EntersWhatIsPreparedBeforeItHasLeft) {
  Enter(Holds(3));
  Hear(LastStep{.epoch = 3, .step = 0, .next = 4});
  EXPECT_EQ(pace_.turn(), Turn::kLeave);
  pace_.Prepare(Holds(5));
  EXPECT_EQ(pace_.turn(), Turn::kEnter);
  pace_.EndBefore(6);
  Leave(6);
}

TEST_F(RankPaceTest, KeepsWhatIsSaidInAnEpochThatItHasNotEntered) {
  Enter(Holds(3));
  Hear(Call(4, 1, 5));
  Hear(Call(4, 1, 5));
  Hear(LastStep{.epoch = 4, .step = 1, .next = 6});
  EXPECT_EQ(pace_.turn(), Turn::kWait);
  pace_.Prepare(Holds(4));
  Hear(LastStep{.epoch = 3, .step = 0, .next = 4});
  ASSERT_TRUE(pace_.Enter().ok());
  TakeWith(0, 1);
  pace_.Prepare(Attends(6));
  pace_.End(StepEnd::kDone);
  ASSERT_TRUE(pace_.Enter().ok());
  EXPECT_EQ(pace_.epoch(), 6U);
}

TEST_F(RankPaceTest, AnEpochThatIsClosedBeforeAnyStepIsPassedThrough) {
  Enter(Holds(3));
  pace_.Prepare(Holds(4));
  pace_.Prepare(Holds(5));
  Hear(LastStep{.epoch = 4, .step = 0, .next = 5});
  Hear(LastStep{.epoch = 3, .step = 0, .next = 4});
  ASSERT_TRUE(pace_.Enter().ok());
  EXPECT_EQ(pace_.epoch(), 4U);
  ASSERT_EQ(pace_.turn(), Turn::kEnter);
  ASSERT_TRUE(pace_.Enter().ok());
  EXPECT_EQ(pace_.epoch(), 5U);
}

TEST_F(RankPaceTest, PassesOverWhatComesLateOrTwice) {
  Enter(Attends(3));
  pace_.Prepare(Attends(3));
  static_cast<void>(pace_.Offer(5, false));
  Hear(Call(3, 1, 5));
  Hear(Call(3, 1, 5));
  TakeWith(5, 1);
  Hear(Call(3, 1, 5));
  pace_.End(StepEnd::kDone);
  Hear(Call(3, 1, 5));
  EXPECT_EQ(pace_.turn(), Turn::kOffer);
  const LastStep last{.epoch = 3, .step = 1, .next = 4};
  Hear(last);
  Hear(last);
  Enter(Attends(4));
  Hear(last);
  Hear(Call(3, 2, 5));
  pace_.EndBefore(4);
  pace_.Prepare(Attends(3));
  EXPECT_EQ(pace_.turn(), Turn::kOffer);
}

TEST_F(RankPaceTest, RefusesWhatNoSoundConductorSays) {
  Enter(Attends(3));
  Refuses(Call(3, 1, 0), "nothing was offered");
  static_cast<void>(pace_.Offer(5, true));
  Refuses(Call(3, 2, 5), "step 2: after 0");
  Refuses(Call(3, 1, 0), "0 rows; 5 were offered");
  Refuses(Call(3, 1, 5), "need the exact form");
  StepCall call = Call(3, 1, 5);
  call.step.form = RankStepForm::kExact;
  call.step.slot_rows = 4;
  Refuses(call, "5 rows in 4");
  call.step.slot_rows = 8;
  call.rows.push_back(0);
  Refuses(call, "3 attention ranks instead of 2");
  Refuses(LastStep{.epoch = 3, .step = 1, .next = 4}, "but 0 was");
  Refuses(LastStep{.epoch = 3, .step = 0, .next = 3}, "epoch 3 follows");
  call.rows.pop_back();
  Hear(call);
  call.step.slot_rows = 9;
  Refuses(call, "called again, otherwise");
  EXPECT_EQ(pace_.Take().step.slot_rows, 8);
  Refuses(Call(3, 2, 5), "nothing was offered");
  Hear(LastStep{.epoch = 3, .step = 1, .next = 4});
  Refuses(LastStep{.epoch = 3, .step = 1, .next = 5}, "the last one, otherwise");
  Refuses(Call(3, 2, 5), "after the last");
}

TEST_F(RankPaceTest, RefusesToEnterWhereItWasCalledWithoutAnOffer) {
  Enter(Holds(3));
  Hear(Call(4, 1, 5));
  pace_.EndBefore(4);
  pace_.Prepare(Attends(4));
  EXPECT_EQ(pace_.Enter().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(RankPaceTest, KeepsAFewCallsAndEpochsOnly) {
  Enter(Holds(3));
  for (std::uint64_t number = 1; number <= 16; ++number) Hear(Call(3, number, 5));
  Refuses(Call(3, 17, 5), "16 others wait");
  for (std::uint64_t epoch = 4; epoch < 19; ++epoch) Hear(Call(epoch, 1, 5));
  EXPECT_EQ(pace_.Hear(Call(19, 1, 5)).code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(RankPaceTest, AbortsWhereTheEngineIsOutOfTurn) {
  EXPECT_DEATH(static_cast<void>(pace_.Offer(1, false)), "turn");
  EXPECT_DEATH(static_cast<void>(pace_.Take()), "turn");
  EXPECT_DEATH(pace_.Leave(), "turn");
  Enter(Attends(3));
  EXPECT_DEATH(pace_.End(StepEnd::kDone), "turn");
  EXPECT_DEATH(static_cast<void>(pace_.Offer(0, true)), "exact");
  static_cast<void>(pace_.Offer(5, false));
  EXPECT_DEATH(static_cast<void>(pace_.Offer(6, false)), "turn");
}

}  // namespace
}  // namespace sextant
