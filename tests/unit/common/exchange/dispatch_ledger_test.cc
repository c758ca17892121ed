#include "common/exchange/dispatch_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

HolderTable Table(std::uint64_t epoch, std::vector<std::vector<HolderId>> holders_of) {
  HolderTable table{.epoch = epoch, .holders_of = std::move(holders_of), .holders = {}};
  std::set<HolderId> all;
  for (const auto& holders : table.holders_of) all.insert(holders.begin(), holders.end());
  table.holders.assign(all.begin(), all.end());
  return table;
}

bool Everybody(HolderId) { return true; }

void Begin(DispatchLedger& ledger, const std::vector<std::int32_t>& ids, std::int64_t k,
           DispatchLedger::Limits limits = {.max_pairs = 1000}) {
  const auto tokens = static_cast<std::int64_t>(ids.size()) / k;
  ledger.Begin({ids.data(), tokens, k}, limits);
}

TEST(DispatchLedgerTest, ARowTravelsOncePerHolderHoweverManyOfItsExpertsLiveThere) {
  DispatchLedger ledger;
  Begin(ledger, {0, 1, 3, 2, 0, 1}, 3);
  const HolderTable table = Table(4, {{10}, {10}, {11}, {11}});
  const auto plan = ledger.Plan(table, Everybody);
  ASSERT_EQ(plan.size(), 2U);
  EXPECT_EQ(plan[0]->holder, 10);
  EXPECT_EQ(plan[0]->epoch, 4U);
  EXPECT_THAT(plan[0]->tokens, ElementsAre(0, 1));
  EXPECT_THAT(plan[0]->pairs,
              ElementsAre(RowExpert{0, 0}, RowExpert{0, 1}, RowExpert{1, 0}, RowExpert{1, 1}));
  EXPECT_THAT(plan[0]->slots, ElementsAre(0, 1, 4, 5));
  EXPECT_EQ(plan[1]->holder, 11);
  EXPECT_THAT(plan[1]->slots, ElementsAre(2, 3));
  EXPECT_LT(plan[0]->number, plan[1]->number);
  EXPECT_FALSE(ledger.done());
  ledger.Settle(plan[1]->number);
  ledger.Settle(plan[0]->number);
  EXPECT_TRUE(ledger.done());
}

TEST(DispatchLedgerTest, NoRowsAreDoneAtOnce) {
  DispatchLedger ledger;
  Begin(ledger, {}, 6);
  EXPECT_TRUE(ledger.done());
  EXPECT_THAT(ledger.Plan(Table(1, {{1}}), Everybody), IsEmpty());
}

TEST(DispatchLedgerTest, ReplicasShareTheRowsAndARowPrefersWhereItGoesAnyway) {
  DispatchLedger ledger;
  Begin(ledger, {0, 0, 0, 0}, 1);
  EXPECT_EQ(ledger.Plan(Table(1, {{7, 8}}), Everybody).size(), 2U);

  Begin(ledger, {1, 0}, 2);  // expert 0 lives at 7 and 8, expert 1 at 8 alone
  const auto plan = ledger.Plan(Table(1, {{7, 8}, {8}}), Everybody);
  ASSERT_EQ(plan.size(), 1U);
  EXPECT_EQ(plan[0]->holder, 8);
}

TEST(DispatchLedgerTest, WhatNobodyServesStaysUnsentAndIsNamed) {
  DispatchLedger ledger;
  Begin(ledger, {2, 1, 0, 2}, 2);
  const HolderTable table = Table(1, {{7}, {8}, {}});
  const auto plan = ledger.Plan(table, [](HolderId holder) { return holder == 7; });
  ASSERT_EQ(plan.size(), 1U);
  EXPECT_THAT(plan[0]->slots, ElementsAre(2));
  EXPECT_THAT(ledger.UnsentExperts(), ElementsAre(1, 2));
}

TEST(DispatchLedgerTest, AnswersToWhatWasTakenBackFindNothing) {
  DispatchLedger ledger;
  Begin(ledger, {0, 1}, 2);
  const HolderTable table = Table(1, {{7}, {8}});
  const std::uint64_t lost = ledger.Plan(table, Everybody)[0]->number;
  EXPECT_EQ(ledger.TakeBackFrom(7), 1);
  EXPECT_EQ(ledger.Find(lost), nullptr);
  EXPECT_EQ(ledger.TakeBack(lost), 0);

  const auto again = ledger.Plan(Table(2, {{8}, {8}}), Everybody);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_GT(again[0]->number, lost);
  EXPECT_EQ(again[0]->epoch, 2U);
  EXPECT_THAT(again[0]->slots, ElementsAre(0));
}

TEST(DispatchLedgerTest, APlacementTakesRowsFromThoseItDoesNotName) {
  DispatchLedger ledger;
  Begin(ledger, {0, 1}, 2);
  EXPECT_EQ(ledger.Plan(Table(1, {{7}, {8}}), Everybody).size(), 2U);
  EXPECT_EQ(ledger.TakeBackFromOthersThan(Table(2, {{8}, {8}})), 1);
  EXPECT_THAT(ledger.UnsentExperts(), ElementsAre(0));
}

TEST(DispatchLedgerTest, ANewDispatchForgetsTheOldOne) {
  DispatchLedger ledger;
  Begin(ledger, {0}, 1);
  const HolderTable table = Table(1, {{7}});
  const std::uint64_t old = ledger.Plan(table, Everybody)[0]->number;
  Begin(ledger, {0}, 1);
  EXPECT_EQ(ledger.Find(old), nullptr);
  EXPECT_GT(ledger.Plan(table, Everybody)[0]->number, old);
}

TEST(DispatchLedgerTest, LargeDispatchesAreSplitBetweenTokens) {
  DispatchLedger ledger;
  Begin(ledger, {0, 1, 0, 1, 0, 1, 0, 1}, 2, {.max_rows = 3, .max_pairs = 5});
  const HolderTable table = Table(1, {{7}, {7}});
  const auto plan = ledger.Plan(table, Everybody);
  ASSERT_EQ(plan.size(), 2U);
  EXPECT_THAT(plan[0]->tokens, ElementsAre(0, 1));
  EXPECT_THAT(plan[1]->tokens, ElementsAre(2, 3));
  EXPECT_EQ(plan[1]->pairs[2], (RowExpert{1, 0}));

  Begin(ledger, {0, 0, 0, 0}, 1, {.max_rows = 3, .max_pairs = 100});
  EXPECT_EQ(ledger.Plan(table, Everybody).size(), 2U);
  Begin(ledger, {0, 1, 0, 1}, 2, {.max_pairs = 1});
  EXPECT_EQ(ledger.Plan(table, Everybody).size(), 4U);
}

// Workers break, refuse, answer late and twice, and placements change, at random: every slot is
// settled exactly once, and no slot is ever with two holders at a time.
TEST(DispatchLedgerTest, EverySlotIsSettledOnceUnderAnySchedule) {
  constexpr int kExperts = 8;
  constexpr int kHolders = 5;
  for (std::uint32_t seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&random](std::size_t n) { return random() % n; };
    std::uint64_t epoch = 0;
    const auto any_table = [&] {
      std::vector<std::vector<HolderId>> holders(kExperts);
      for (auto& of : holders) {
        for (HolderId h = 0; h < kHolders; ++h) {
          if (below(4) == 0) of.push_back(h);
        }
      }
      return Table(++epoch, std::move(holders));
    };
    const std::size_t k = 1 + below(4);
    std::vector<std::int32_t> ids(k * below(12));
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(below(kExperts));
    DispatchLedger ledger;
    Begin(ledger, ids, static_cast<std::int64_t>(k),
          {.max_rows = static_cast<std::int64_t>(1 + below(6)),
           .max_pairs = static_cast<std::int64_t>(1 + below(9))});

    HolderTable table = any_table();
    std::vector<int> settled(ids.size());
    std::vector<Shipment> sent;  // every shipment ever, as the network may repeat it
    for (int step = 0; step < 2000 && !ledger.done(); ++step) {
      if (step == 200) {  // from here on nothing is lost
        table = Table(++epoch, std::vector<std::vector<HolderId>>(kExperts, {0, 3}));
        ledger.TakeBackFromOthersThan(table);
      }
      const auto usable = step < 200 ? static_cast<std::uint32_t>(random()) : ~0U;
      for (const Shipment* shipment :
           ledger.Plan(table, [usable](HolderId h) { return (usable >> h & 1U) != 0; })) {
        sent.push_back(*shipment);
        ASSERT_EQ(shipment->pairs.size(), shipment->slots.size());
        for (std::size_t i = 0; i < shipment->slots.size(); ++i) {
          const auto slot = static_cast<std::size_t>(shipment->slots[i]);
          ASSERT_EQ(shipment->pairs[i].expert, ids[slot]);
          ASSERT_EQ(shipment->tokens[shipment->pairs[i].row], static_cast<std::int32_t>(slot / k));
          const auto& holders = table.holders_of[shipment->pairs[i].expert];
          ASSERT_NE(std::find(holders.begin(), holders.end(), shipment->holder), holders.end());
        }
      }
      std::vector<int> with(ids.size());
      for (const Shipment& shipment : sent) {
        if (ledger.Find(shipment.number) == nullptr) continue;
        for (const std::int32_t slot : shipment.slots) {
          ASSERT_EQ(++with[static_cast<std::size_t>(slot)], 1) << "seed " << seed;
        }
      }
      if (step >= 200) {
        std::erase_if(sent, [&](const Shipment& s) { return ledger.Find(s.number) == nullptr; });
        if (sent.empty()) continue;
      }
      const std::size_t event = below(step < 200 ? 6 : 3);
      if (event <= 2 && !sent.empty()) {
        const Shipment& answered = sent[below(sent.size())];
        if (ledger.Find(answered.number) == nullptr) continue;  // late, or a second answer
        for (const std::int32_t slot : answered.slots) {
          ASSERT_EQ(++settled[static_cast<std::size_t>(slot)], 1) << "seed " << seed;
        }
        ledger.Settle(answered.number);
      } else if (event == 3) {
        ledger.TakeBackFrom(static_cast<HolderId>(below(kHolders)));
      } else if (event == 4 && !sent.empty()) {
        ledger.TakeBack(sent[below(sent.size())].number);
      } else {
        table = any_table();
        ledger.TakeBackFromOthersThan(table);
      }
    }
    ASSERT_TRUE(ledger.done()) << "seed " << seed;
    for (const int count : settled) ASSERT_EQ(count, 1) << "seed " << seed;
  }
}

}  // namespace
}  // namespace sextant
