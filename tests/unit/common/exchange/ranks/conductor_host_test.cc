#include "common/exchange/ranks/conductor_host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr ConductedLimits kLimits{.chosen = 6, .most_slot_rows = 16, .most_rows = 64};

// Ranks 0 and 2 attend; all hold an expert.
RankLayout Layout() {
  auto layout = RankLayout::Make(3, {{.attends = true, .experts = {0}},
                                     {.attends = false, .experts = {1}},
                                     {.attends = true, .experts = {2}}});
  EXPECT_TRUE(layout.ok());
  return *std::move(layout);
}

class Listener final : public RankListener, public IdListener {
 public:
  void OnNews() override { ++news; }
  void OnId(const absl::StatusOr<std::string>& id) override { ids.push_back(id); }

  int news = 0;
  std::vector<absl::StatusOr<std::string>> ids;
};

class ConductorHostTest : public ::testing::Test {
 protected:
  std::shared_ptr<Listener> MustCome(const RankSeat& seat, std::uint64_t heard = 0) {
    auto listener = std::make_shared<Listener>();
    const absl::Status came = host_.Come(seat, heard, listener);
    EXPECT_TRUE(came.ok()) << came;
    return listener;
  }
  void Take(std::uint64_t steps) {
    for (std::uint64_t i = 0; i < steps; ++i) {
      ++step_;
      EXPECT_TRUE(host_.Hear(kFirst, {.step = step_, .rows = 1}).ok());
      EXPECT_TRUE(host_.Hear(kSecond, {.step = step_, .rows = 0}).ok());
    }
  }
  // The numbers of the calls that there are for a rank.
  std::vector<std::uint64_t> Calls(const RankSeat& seat) {
    std::vector<std::uint64_t> numbers;
    while (true) {
      const RankNews news = host_.TakeNews(seat);
      const auto* call = std::get_if<StepCall>(&news.what);
      if (call == nullptr) return numbers;
      numbers.push_back(call->step.number);
    }
  }
  absl::Status EndOf(const RankSeat& seat) {
    const RankNews news = host_.TakeNews(seat);
    const auto* end = std::get_if<absl::Status>(&news.what);
    return end == nullptr ? absl::OkStatus() : *end;
  }
  bool IsToldLast(const RankSeat& seat) {
    return std::holds_alternative<LastStep>(host_.TakeNews(seat).what);
  }

  static constexpr RankSeat kFirst{.epoch = 5, .rank = 0, .attempt = 1};
  static constexpr RankSeat kHolder{.epoch = 5, .rank = 1, .attempt = 1};
  static constexpr RankSeat kSecond{.epoch = 5, .rank = 2, .attempt = 1};

  ConductorHost host_{kLimits};
  std::uint64_t step_ = 0;
};

TEST_F(ConductorHostTest, RanksMayComeBeforeTheEpochIsKnown) {
  const auto first = MustCome(kFirst);
  EXPECT_FALSE(host_.TakeNews(kFirst).conducted);
  host_.Conduct(5, Layout(), "id");
  EXPECT_EQ(first->news, 1);
  EXPECT_TRUE(host_.TakeNews(kFirst).conducted);
}

TEST_F(ConductorHostTest, WhoComesLateIsToldAll) {
  host_.Conduct(5, Layout(), "id");
  const auto first = MustCome(kFirst);
  MustCome(kSecond);
  Take(3);
  EXPECT_GT(first->news, 0);
  host_.Switch(5, 6);
  MustCome(kHolder);
  EXPECT_THAT(Calls(kHolder), ElementsAre(1, 2, 3));
  Take(1);  // what crosses with the end begins nothing
  EXPECT_THAT(Calls(kFirst), ElementsAre(1, 2, 3));
  EXPECT_THAT(Calls({.epoch = 5, .rank = 9, .attempt = 1}), IsEmpty());
}

TEST_F(ConductorHostTest, TheLastStepFollowsTheCalls) {
  host_.Conduct(5, Layout(), "id");
  for (const RankSeat& seat : {kFirst, kHolder, kSecond}) MustCome(seat);
  Take(1);
  host_.Switch(5, 6);
  EXPECT_THAT(Calls(kFirst), ElementsAre(1));
  // Calls has taken it: nothing follows.
  EXPECT_FALSE(IsToldLast(kFirst));
  EXPECT_TRUE(EndOf(kFirst).ok());
}

TEST_F(ConductorHostTest, AStreamThatComesAgainGoesOnWhereItsRankWas) {
  host_.Conduct(5, Layout(), "id");
  MustCome(kFirst);
  MustCome(kSecond);
  auto holder = MustCome(kHolder);
  Take(3);
  EXPECT_THAT(Calls(kHolder), ElementsAre(1, 2, 3));
  const RankSeat again{.epoch = 5, .rank = 1, .attempt = 2};
  MustCome(again, 1);  // of what it was told only the first has arrived
  EXPECT_TRUE(absl::IsAborted(EndOf(kHolder)));
  EXPECT_THAT(Calls(again), ElementsAre(2, 3));
  host_.Leave(kHolder, false);  // the old one's end is nothing to the new one
  Take(1);
  EXPECT_THAT(Calls(again), ElementsAre(4));
}

TEST_F(ConductorHostTest, WhatNoRankSaysIsRefused) {
  const auto refused = [this](const RankSeat& seat, std::uint64_t heard) {
    return host_.Come(seat, heard, std::make_shared<Listener>());
  };
  EXPECT_TRUE(absl::IsInvalidArgument(refused({.epoch = 0, .rank = 0, .attempt = 1}, 0)));
  EXPECT_TRUE(absl::IsInvalidArgument(refused({.epoch = 5, .rank = -1, .attempt = 1}, 0)));
  EXPECT_TRUE(absl::IsInvalidArgument(refused({.epoch = 5, .rank = 0, .attempt = 0}, 0)));
  EXPECT_TRUE(absl::IsInvalidArgument(
      refused({.epoch = 5, .rank = ConductorHost::kMostRanks, .attempt = 1}, 0)));
  const RankSeat fourth{.epoch = 5, .rank = 3, .attempt = 1};
  MustCome(fourth);  // which cannot be known yet
  host_.Conduct(5, Layout(), "id");
  EXPECT_TRUE(absl::IsInvalidArgument(EndOf(fourth)));
  EXPECT_TRUE(absl::IsInvalidArgument(refused({.epoch = 5, .rank = 3, .attempt = 2}, 0)));
  EXPECT_TRUE(absl::IsInvalidArgument(refused(kFirst, 1)));
  MustCome(kFirst);
  EXPECT_TRUE(absl::IsAlreadyExists(refused(kFirst, 0)));
  MustCome(kHolder);
  EXPECT_TRUE(absl::IsInvalidArgument(host_.Hear(kHolder, {.step = 1, .rows = 1})));
  EXPECT_TRUE(absl::IsInvalidArgument(host_.Hear(kFirst, {.step = 2, .rows = 1})));
  host_.EndBefore(6);
  EXPECT_TRUE(absl::IsFailedPrecondition(EndOf(kFirst)));
  EXPECT_TRUE(absl::IsFailedPrecondition(refused(kFirst, 0)));
}

TEST_F(ConductorHostTest, ARankThatIsTooFarBehindIsLost) {
  host_.Conduct(5, Layout(), "id");
  for (const RankSeat& seat : {kFirst, kHolder, kSecond}) MustCome(seat);
  Take(SaidSteps::kMostKept);
  EXPECT_TRUE(EndOf(kHolder).ok());  // takes the first call
  Take(1);
  EXPECT_TRUE(EndOf(kHolder).ok());
  Take(2);
  EXPECT_TRUE(absl::IsDataLoss(EndOf(kHolder)));
  EXPECT_TRUE(absl::IsDataLoss(
      host_.Come({.epoch = 5, .rank = 1, .attempt = 2}, 0, std::make_shared<Listener>())));
}

TEST_F(ConductorHostTest, AnEpochIsForgottenOnceAllHaveHeardItsEnd) {
  host_.Conduct(5, Layout(), "id");
  for (const RankSeat& seat : {kFirst, kHolder, kSecond}) MustCome(seat);
  host_.Switch(5, 6);
  for (const RankSeat& seat : {kFirst, kHolder, kSecond}) {
    const RankSeat again{.epoch = 5, .rank = seat.rank, .attempt = 2};
    MustCome(again);
    EXPECT_TRUE(IsToldLast(again));
    host_.Leave(again, true);
  }
  EXPECT_TRUE(absl::IsFailedPrecondition(EndOf(kFirst)));
}

TEST_F(ConductorHostTest, IdsAreToldWhenTheyAreKnown) {
  const auto before = std::make_shared<Listener>();
  const auto gone = std::make_shared<Listener>();
  const auto after = std::make_shared<Listener>();
  const auto never = std::make_shared<Listener>();
  host_.WaitForId(5, before);
  host_.WaitForId(5, gone);
  host_.WaitForId(4, never);
  host_.StopWaiting(gone.get());
  host_.Conduct(5, Layout(), "id");
  host_.WaitForId(5, after);
  EXPECT_THAT(before->ids, ElementsAre(absl::StatusOr<std::string>("id")));
  EXPECT_THAT(after->ids, ElementsAre(absl::StatusOr<std::string>("id")));
  EXPECT_THAT(gone->ids, IsEmpty());
  EXPECT_THAT(never->ids, IsEmpty());
  host_.EndBefore(5);
  ASSERT_EQ(never->ids.size(), 1U);
  EXPECT_TRUE(absl::IsFailedPrecondition(never->ids[0].status()));
}

}  // namespace
}  // namespace sextant
