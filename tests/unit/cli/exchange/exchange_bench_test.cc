#include "cli/exchange/exchange_bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>

#include "absl/strings/match.h"
#include "cli/exchange/exchange_summary.h"
#include "cli/exchange/known_rows.h"
#include "common/exchange/ranks/rank_step.h"
#include "tests/unit/cli/exchange/measured_ranks.h"

namespace sextant::cli {
namespace {

using ::testing::Each;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::int64_t kHidden = 72;
constexpr std::int64_t kChosen = 3;
constexpr std::int64_t kRowBytes = kHidden * 2 + kChosen * 4;
constexpr std::int64_t kOutputBytes = kHidden * 2;

ExchangeBenchOptions Options(const std::vector<std::int64_t>& decode,
                             const std::vector<std::int64_t>& prefill) {
  return {.cases = CasesOf(decode, prefill), .layers = 2, .rounds = 3, .warmup = 1, .seed = 7};
}

BenchRanks Colocated(int ranks) { return {.apart = false, .ranks = ranks}; }
BenchRanks Apart(int attention, int experts) {
  return {.apart = true, .ranks = attention + experts, .attention = attention};
}

std::vector<std::vector<CaseOfRank>> MustMeasure(const MeasuredRanks& ranks,
                                                 const ExchangeBenchOptions& options) {
  std::vector<std::vector<CaseOfRank>> cases;
  for (auto& of_rank : ranks.Run(options)) {
    EXPECT_TRUE(of_rank.ok()) << of_rank.status();
    cases.push_back(of_rank.ok() ? *std::move(of_rank) : std::vector<CaseOfRank>());
  }
  return cases;
}

// What one rank sends another in exact form, counted choice by choice.
struct Counted {
  std::int64_t rows = 0;
  std::int64_t pairs = 0;
};
Counted CountOf(const RankLayout& layout, int from, int to, std::int64_t rows) {
  const absl::Span<const int> senders = layout.attention_ranks();
  const auto sender = std::find(senders.begin(), senders.end(), from);
  Counted counted;
  if (sender == senders.end()) return counted;
  const std::vector<std::int32_t>& held = layout.role(to).experts;
  const std::vector<std::int32_t> ids =
      KnownRows(BenchedModel(), 7).ExpertIds(static_cast<int>(sender - senders.begin()), rows);
  for (std::int64_t row = 0; row < rows; ++row) {
    std::int64_t pairs = 0;
    for (std::int64_t k = 0; k < kChosen; ++k) {
      pairs +=
          std::count(held.begin(), held.end(), ids[static_cast<std::size_t>(row * kChosen + k)]);
    }
    counted.rows += pairs > 0 ? 1 : 0;
    counted.pairs += pairs;
  }
  return counted;
}

void ExpectExactBytes(const RankLayout& layout, int rank, const CaseOfRank& measured) {
  GroupBytes dispatch;
  GroupBytes combine;
  for (int peer = 0; peer < layout.size(); ++peer) {
    const Counted out = CountOf(layout, rank, peer, measured.of.rows);
    const Counted in = CountOf(layout, peer, rank, measured.of.rows);
    (peer == rank ? dispatch.kept : dispatch.sent) += out.rows * kRowBytes;
    if (peer != rank) dispatch.received += in.rows * kRowBytes;
    (peer == rank ? combine.kept : combine.sent) += in.pairs * kOutputBytes;
    if (peer != rank) combine.received += out.pairs * kOutputBytes;
  }
  EXPECT_EQ(measured.dispatch, dispatch) << "rank " << rank;
  EXPECT_EQ(measured.combine, combine) << "rank " << rank;
}

TEST(ExchangeBenchTest, ColocatedRanksMoveSlotsOfTheStepsSize) {
  for (const int count : {1, 2, 4}) {
    SCOPED_TRACE(count);
    const auto ranks = MustMeasure({.ranks = Colocated(count)}, Options({1, 7}, {}));
    for (const std::vector<CaseOfRank>& cases : ranks) {
      ASSERT_THAT(cases, SizeIs(2));
      for (std::size_t i = 0; i < cases.size(); ++i) {
        const std::int64_t rows = i == 0 ? 1 : 7;
        EXPECT_EQ(cases[i].of, (ExchangeCase{RankStepForm::kSlots, rows}));
        const std::int64_t slot = rows * kRowBytes;
        EXPECT_EQ(cases[i].dispatch, (GroupBytes{(count - 1) * slot, (count - 1) * slot, slot}));
        const std::int64_t back = SlotsFor(rows, kChosen, count).slot_pairs * kOutputBytes;
        EXPECT_EQ(cases[i].combine, (GroupBytes{(count - 1) * back, (count - 1) * back, back}));
      }
    }
  }
}

TEST(ExchangeBenchTest, InExactFormRanksMoveWhatThereIs) {
  for (const BenchRanks& of : {Colocated(3), Apart(1, 2), Apart(2, 2)}) {
    SCOPED_TRACE(of.ranks);
    const MeasuredRanks measured{.ranks = of};
    const RankLayout layout = measured.Layout();
    const auto ranks = MustMeasure(measured, Options({}, {5, 21}));
    for (int rank = 0; rank < layout.size(); ++rank) {
      const std::vector<CaseOfRank>& cases = ranks[static_cast<std::size_t>(rank)];
      ASSERT_THAT(cases, SizeIs(2));
      for (const CaseOfRank& of_case : cases) ExpectExactBytes(layout, rank, of_case);
    }
  }
}

TEST(ExchangeBenchTest, EveryRankThatAttendsHasEveryTimeAndTheOthersHaveNone) {
  const MeasuredRanks measured{.ranks = Apart(2, 1)};
  const auto ranks = MustMeasure(measured, Options({4}, {9}));
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    ASSERT_THAT(ranks[rank], SizeIs(2));
    for (const CaseOfRank& of_case : ranks[rank]) {
      for (const WayTimes& times : of_case.ways) {
        if (rank == 2) {
          EXPECT_THAT(times.layer_s, IsEmpty());
          EXPECT_THAT(times.dispatch_s, IsEmpty());
          continue;
        }
        EXPECT_THAT(times.layer_s, SizeIs(3));
        EXPECT_THAT(times.dispatch_s, SizeIs(3 * 2));
        EXPECT_THAT(times.combine_s, SizeIs(3 * 2));
        EXPECT_THAT(times.layer_s, Each(Ge(0)));
      }
    }
  }
  const auto summary = Summarize(ranks);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_THAT(*summary, SizeIs(2));
}

// What a rank asks of the network, one entry for each group: how many bytes go to which rank.
class Overheard final : public Communicator {
 public:
  using Group = std::vector<std::pair<int, std::int64_t>>;

  explicit Overheard(std::shared_ptr<Communicator> inner, std::vector<Group>& groups)
      : inner_(std::move(inner)), groups_(groups) {}
  [[nodiscard]] int rank() const override { return inner_->rank(); }
  [[nodiscard]] int size() const override { return inner_->size(); }
  DeviceStatus Exchange(DeviceStream stream, absl::Span<const RankMessage> sends,
                        absl::Span<const RankMessage> receives) override {
    Group group;
    for (const RankMessage& send : sends) group.emplace_back(send.peer, send.bytes);
    groups_.push_back(std::move(group));
    return inner_->Exchange(stream, sends, receives);
  }
  DeviceStatus Health() override { return inner_->Health(); }
  void Abort() override { inner_->Abort(); }

 private:
  const std::shared_ptr<Communicator> inner_;
  std::vector<Group>& groups_;
};

TEST(ExchangeBenchTest, PlainMessagesAreThoseOfTheExchangeAndAnAllToAllHasTheirBytes) {
  std::vector<Overheard::Group> said;  // by rank 1
  MeasuredRanks measured{.ranks = Colocated(2)};
  measured.wrap = [&said](std::shared_ptr<Communicator> inner) -> std::shared_ptr<Communicator> {
    if (inner->rank() != 1) return inner;
    return std::make_shared<Overheard>(std::move(inner), said);
  };
  (void)MustMeasure(measured, Options({8}, {}));
  constexpr std::int64_t kRows = 8;
  const std::int64_t pairs = SlotsFor(kRows, kChosen, 2).slot_pairs;
  const Overheard::Group rows = {{0, kRows * kChosen * 4},
                                 {0, kRows * kHidden * 2},
                                 {1, kRows * kChosen * 4},
                                 {1, kRows * kHidden * 2}};
  const Overheard::Group outputs = {{0, pairs * kOutputBytes}, {1, pairs * kOutputBytes}};
  const Overheard::Group all_rows = {{0, kRows * kRowBytes}, {1, kRows * kRowBytes}};
  // A step of three layers is captured twice, with moments in between and without. Four numbers
  // were told by all to all: what is to be measured, whether it arrived well, and two sums.
  EXPECT_EQ(std::count(said.begin(), said.end(), rows), 2 * 2 * 3);
  // Of outputs all ways have the same messages here.
  EXPECT_EQ(std::count(said.begin(), said.end(), outputs), 3 * 2 * 3);
  EXPECT_EQ(std::count(said.begin(), said.end(), all_rows), 2 * 3);
  EXPECT_THAT(said, SizeIs(6 * 2 * 3 + 4));
}

// Gives ranks what was meant for others, in messages of one size.
class Swapped final : public Communicator {
 public:
  Swapped(std::shared_ptr<Communicator> inner, std::int64_t bytes)
      : inner_(std::move(inner)), bytes_(bytes) {}
  [[nodiscard]] int rank() const override { return inner_->rank(); }
  [[nodiscard]] int size() const override { return inner_->size(); }
  DeviceStatus Exchange(DeviceStream stream, absl::Span<const RankMessage> sends,
                        absl::Span<const RankMessage> receives) override {
    std::vector<RankMessage> sent(sends.begin(), sends.end());
    RankMessage* first = nullptr;
    for (RankMessage& send : sent) {
      if (send.bytes != bytes_) continue;
      if (first != nullptr) std::swap(first->data, send.data);
      first = &send;
    }
    return inner_->Exchange(stream, sent, receives);
  }
  DeviceStatus Health() override { return inner_->Health(); }
  void Abort() override { inner_->Abort(); }

 private:
  const std::shared_ptr<Communicator> inner_;
  const std::int64_t bytes_;
};

TEST(ExchangeBenchTest, WhatArrivesWrongAtOneRankIsTheErrorOfAll) {
  const std::int64_t pairs = SlotsFor(8, kChosen, 4).slot_pairs;
  for (const std::int64_t bytes : {8 * kHidden * 2, pairs * kOutputBytes}) {
    SCOPED_TRACE(bytes);
    MeasuredRanks measured{.ranks = Colocated(4)};
    measured.wrap = [bytes](std::shared_ptr<Communicator> inner) -> std::shared_ptr<Communicator> {
      if (inner->rank() != 1) return inner;
      return std::make_shared<Swapped>(std::move(inner), bytes);
    };
    for (const auto& rank : measured.Run(Options({8}, {}))) {
      EXPECT_EQ(rank.status().code(), absl::StatusCode::kDataLoss) << rank.status();
    }
  }
}

TEST(ExchangeBenchTest, RanksThatWereAskedForDifferentThingsDoNotBegin) {
  const MeasuredRanks measured{.ranks = Colocated(2)};
  const auto ranks =
      measured.Run([](int rank) { return rank == 0 ? Options({1}, {}) : Options({1}, {4}); });
  for (const auto& rank : ranks) {
    EXPECT_EQ(rank.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(rank.status().message()), HasSubstr("different things"));
  }
}

}  // namespace
}  // namespace sextant::cli
