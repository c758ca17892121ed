#include "common/exchange/ranks/conductor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/exchange/ranks/conductors.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr ConductedLimits kLimits{.chosen = 6, .most_slot_rows = 256, .most_rows = 4096};

StepOffer Offer(std::uint64_t step, int attention, std::int64_t rows, bool exact = false) {
  return {.epoch = 7, .step = step, .attention = attention, .rows = rows, .exact = exact};
}

class ConductorTest : public ::testing::Test {
 protected:
  // Nothing begins.
  void Quiet(const StepOffer& offer) {
    const auto begun = conductor_.Hear(offer);
    ASSERT_TRUE(begun.ok()) << begun.status();
    EXPECT_FALSE(begun->has_value()) << "begins step " << (*begun)->step.number;
  }
  StepCall Begins(const StepOffer& offer) {
    const auto begun = conductor_.Hear(offer);
    EXPECT_TRUE(begun.ok() && begun->has_value()) << begun.status();
    return begun.ok() && begun->has_value() ? **begun : StepCall{};
  }
  void Refuses(const StepOffer& offer, const std::string& why) {
    const auto begun = conductor_.Hear(offer);
    EXPECT_EQ(begun.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(begun.status().message()), HasSubstr(why));
  }

  Conductor conductor_{{.number = 7, .attention_ranks = 2, .expert_ranks = 4}, kLimits};
};

TEST_F(ConductorTest, BeginsOnceEverybodyHasOffered) {
  Quiet(Offer(1, 0, 5));
  const StepCall call = Begins(Offer(1, 1, 0));
  EXPECT_EQ(call.epoch, 7U);
  EXPECT_EQ(call.step.number, 1U);
  EXPECT_THAT(call.rows, ElementsAre(5, 0));
  Quiet(Offer(2, 1, 9));
  EXPECT_EQ(Begins(Offer(2, 0, 5)).step.number, 2U);
}

TEST_F(ConductorTest, LeavesAnIdleClusterAlone) {
  Quiet(Offer(1, 0, 0));
  Quiet(Offer(1, 1, 0));
  // Somebody has something to do after all.
  EXPECT_THAT(Begins(Offer(1, 0, 3)).rows, ElementsAre(3, 0));
}

TEST_F(ConductorTest, TakesSlotsOfTheNextSize) {
  Quiet(Offer(1, 0, 1));
  RankStep step = SlotsFor(40, 6, 4);
  step.number = 1;
  EXPECT_EQ(Begins(Offer(1, 1, 33)).step, step);
  Quiet(Offer(2, 0, 1));
  step = SlotsFor(1, 6, 4);
  step.number = 2;
  EXPECT_EQ(Begins(Offer(2, 1, 0)).step, step);
}

TEST_F(ConductorTest, TakesTheExactFormForWhoeverNeedsIt) {
  Quiet(Offer(1, 0, 3));
  const RankStep exact{.number = 1, .form = RankStepForm::kExact, .slot_rows = 3, .slot_pairs = 0};
  EXPECT_EQ(Begins(Offer(1, 1, 2, true)).step, exact);
  // The next one need not be.
  Quiet(Offer(2, 0, 3));
  EXPECT_EQ(Begins(Offer(2, 1, 2)).step.form, RankStepForm::kSlots);
}

TEST_F(ConductorTest, TakesTheExactFormForMoreRowsThanSlotsMayHold) {
  Quiet(Offer(1, 0, 256));
  EXPECT_EQ(Begins(Offer(1, 1, 256)).step.form, RankStepForm::kSlots);
  Quiet(Offer(2, 0, 257));
  const StepCall call = Begins(Offer(2, 1, 256));
  EXPECT_EQ(call.step.form, RankStepForm::kExact);
  EXPECT_EQ(call.step.slot_rows, 257);
}

TEST_F(ConductorTest, PassesOverWhatComesTwice) {
  Quiet(Offer(1, 0, 0));
  Quiet(Offer(1, 0, 4));
  Quiet(Offer(1, 0, 0));
  Quiet(Offer(1, 0, 4));
  EXPECT_THAT(Begins(Offer(1, 1, 0)).rows, ElementsAre(4, 0));
  Quiet(Offer(1, 1, 0));
  Quiet(Offer(1, 1, 6));  // came too late
  Quiet(Offer(2, 0, 0));
  EXPECT_THAT(Begins(Offer(2, 1, 6)).rows, ElementsAre(0, 6));
}

TEST_F(ConductorTest, RefusesWhatNoSoundRankOffers) {
  StepOffer other = Offer(1, 0, 1);
  other.epoch = 8;
  Refuses(other, "step 1 of epoch 8; this is epoch 7");
  Refuses(Offer(1, 2, 1), "attention rank 2 offers for step 1; there are 2");
  Refuses(Offer(1, -1, 1), "attention rank -1");
  Refuses(Offer(0, 0, 1), "step 0 after step 0");
  Refuses(Offer(2, 0, 1), "step 2 after step 0");
  Refuses(Offer(1, 0, -1), "-1 rows; at most 4096");
  Refuses(Offer(1, 0, 4097), "4097 rows");
  Refuses(Offer(1, 0, 0, true), "no rows in exact form");
  Quiet(Offer(1, 0, 4));
  Refuses(Offer(1, 0, 5), "offers 5 rows for step 1 and offered 4");
  Refuses(Offer(1, 0, 4, true), "offered 4");
  // None of it has changed anything.
  const StepCall call = Begins(Offer(1, 1, 0));
  EXPECT_THAT(call.rows, ElementsAre(4, 0));
  EXPECT_EQ(call.step.form, RankStepForm::kSlots);
}

TEST_F(ConductorTest, BeginsNothingOnceItIsClosed) {
  Quiet(Offer(1, 0, 1));
  static_cast<void>(Begins(Offer(1, 1, 1)));
  Quiet(Offer(2, 0, 1));
  EXPECT_EQ(conductor_.Close(9), (LastStep{.epoch = 7, .step = 1, .next = 9}));
  Quiet(Offer(2, 1, 1));
}

class ConductorsTest : public ::testing::Test {
 protected:
  static StepOffer Of(std::uint64_t epoch, int attention, std::int64_t rows) {
    return {.epoch = epoch, .step = 1, .attention = attention, .rows = rows};
  }
  static ConductedEpoch Epoch(std::uint64_t number) {
    return {.number = number, .attention_ranks = 2, .expert_ranks = 1};
  }
  // The epoch of the step that begins, 0 for none.
  static std::uint64_t Begun(const absl::StatusOr<std::optional<StepCall>>& begun) {
    EXPECT_TRUE(begun.ok()) << begun.status();
    return begun.ok() && begun->has_value() ? (*begun)->epoch : 0;
  }

  Conductors conductors_{kLimits};
};

TEST_F(ConductorsTest, KeepsWhatIsOfferedEarly) {
  EXPECT_EQ(Begun(conductors_.Hear(Of(3, 1, 2))), 0U);
  EXPECT_EQ(Begun(conductors_.Hear(Of(4, 1, 2))), 0U);
  EXPECT_EQ(Begun(conductors_.Conduct(Epoch(3))), 0U);
  EXPECT_EQ(Begun(conductors_.Hear(Of(3, 0, 0))), 3U);
  EXPECT_EQ(Begun(conductors_.Hear(Of(4, 0, 0))), 0U);
  EXPECT_EQ(Begun(conductors_.Conduct(Epoch(4))), 4U);
  // Told twice: nothing begins again.
  EXPECT_EQ(Begun(conductors_.Conduct(Epoch(4))), 0U);
}

TEST_F(ConductorsTest, SwitchesBetweenSteps) {
  EXPECT_EQ(Begun(conductors_.Conduct(Epoch(3))), 0U);
  EXPECT_EQ(Begun(conductors_.Conduct(Epoch(5))), 0U);
  EXPECT_EQ(Begun(conductors_.Hear(Of(5, 0, 1))), 0U);  // a newcomer
  EXPECT_EQ(conductors_.Switch(3, 5), (LastStep{.epoch = 3, .step = 0, .next = 5}));
  EXPECT_EQ(conductors_.Switch(3, 5), std::nullopt);
  EXPECT_EQ(Begun(conductors_.Hear(Of(3, 0, 1))), 0U);
  EXPECT_EQ(Begun(conductors_.Hear(Of(3, 1, 1))), 0U);
  EXPECT_EQ(Begun(conductors_.Hear(Of(5, 1, 1))), 5U);
}

TEST_F(ConductorsTest, ForgetsEpochsThatAreOver) {
  EXPECT_EQ(Begun(conductors_.Conduct(Epoch(3))), 0U);
  EXPECT_EQ(Begun(conductors_.Hear(Of(3, 0, 1))), 0U);
  EXPECT_EQ(Begun(conductors_.Hear(Of(4, 0, 1))), 0U);
  conductors_.EndBefore(5);
  conductors_.EndBefore(2);  // came late
  EXPECT_EQ(Begun(conductors_.Hear(Of(3, 1, 1))), 0U);
  EXPECT_EQ(Begun(conductors_.Hear(Of(4, 1, 1))), 0U);
  EXPECT_EQ(Begun(conductors_.Conduct(Epoch(3))), 0U);
  EXPECT_EQ(Begun(conductors_.Conduct(Epoch(4))), 0U);
  EXPECT_EQ(conductors_.Switch(3, 5), std::nullopt);
}

TEST_F(ConductorsTest, KeepsNoMoreThanRanksCanHaveOffered) {
  for (int i = 0; i < 4096; ++i) EXPECT_EQ(Begun(conductors_.Hear(Of(9, 0, 1))), 0U);
  EXPECT_EQ(conductors_.Hear(Of(9, 0, 1)).status().code(), absl::StatusCode::kResourceExhausted);
  conductors_.EndBefore(10);
  EXPECT_TRUE(conductors_.Hear(Of(10, 0, 1)).ok());
}

}  // namespace
}  // namespace sextant
