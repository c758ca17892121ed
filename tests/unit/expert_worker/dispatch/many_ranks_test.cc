// A cluster's ranks as threads of one process, without gRPC: attention ranks that plan, send and
// collect by the books of the exchange, expert ranks that merge and compute, and a thread that
// moves experts from one to another all the while. For ThreadSanitizer, and for the results.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "common/exchange/answer_box.h"
#include "common/exchange/dispatch_ledger.h"
#include "common/exchange/wire_values.h"
#include "expert_worker/dispatch/dispatch_worker.h"
#include "tests/unit/expert_worker/dispatch/fake_experts.h"
#include "tests/unit/expert_worker/dispatch/fake_source.h"

namespace sextant {
namespace {

constexpr std::int32_t kExperts = 16;
constexpr std::int32_t kHidden = 6;
constexpr int kAttentionRanks = 6;
constexpr int kExpertRanks = 4;
constexpr int kSteps = 25;
constexpr std::int64_t kTokens = 3;
constexpr std::int64_t kChosen = 4;
constexpr auto kFailedPrecondition = static_cast<int>(absl::StatusCode::kFailedPrecondition);

// The expert ranks, and which of them the newest placement gives each expert to.
class ExpertRanks {
 public:
  ExpertRanks() {
    for (std::int32_t expert = 0; expert < kExperts; ++expert) {
      held_[static_cast<std::size_t>(expert % kExpertRanks)].insert(expert);
    }
    for (std::size_t rank = 0; rank < kExpertRanks; ++rank) {
      experts_.push_back(std::make_unique<FakeExperts>(held_[rank]));
      const DispatchWorker::Options options{
          .num_experts = kExperts, .hidden = kHidden, .type = DType::kFp32};
      workers_.push_back(std::make_unique<DispatchWorker>(options, *experts_[rank]));
    }
    Publish();
  }

  [[nodiscard]] DispatchWorker& worker(HolderId rank) {
    return *workers_[static_cast<std::size_t>(rank)];
  }
  [[nodiscard]] std::shared_ptr<const HolderTable> table() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return table_;
  }
  // As an epoch does: the new holder has it, then everybody is told, then the old one drops it.
  void Move(std::int32_t expert, std::size_t to) {
    std::size_t from = 0;
    while (!held_[from].contains(expert)) ++from;
    if (from == to) return;
    held_[to].insert(expert);
    experts_[to]->Hold(held_[to]);
    held_[from].erase(expert);
    Publish();
    experts_[from]->Hold(held_[from]);
  }
  void Stop() {
    for (const auto& worker : workers_) worker->Stop();
  }

 private:
  void Publish() {
    auto table = std::make_shared<HolderTable>();
    table->epoch = ++epoch_;
    table->holders_of.resize(kExperts);
    for (HolderId rank = 0; rank < kExpertRanks; ++rank) {
      table->holders.push_back(rank);
      for (const std::int32_t expert : held_[static_cast<std::size_t>(rank)]) {
        table->holders_of[static_cast<std::size_t>(expert)].push_back(rank);
      }
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    table_ = std::move(table);
  }

  std::array<std::set<std::int32_t>, kExpertRanks> held_;
  std::uint64_t epoch_ = 0;
  std::vector<std::unique_ptr<FakeExperts>> experts_;
  std::vector<std::unique_ptr<DispatchWorker>> workers_;
  std::mutex mutex_;
  std::shared_ptr<const HolderTable> table_;
};

class AttentionRank final : public DispatchSource {
 public:
  AttentionRank(int number, ExpertRanks& experts)
      : number_(number), experts_(experts), random_(static_cast<unsigned>(number)) {}

  [[nodiscard]] bool gone() const override { return false; }
  void Answer(FrameBytes frame) override {
    box_.Post({.holder = 0, .stream = 0, .answer = std::move(frame), .end = absl::OkStatus()});
  }

  void Run() {
    for (int step = 0; step < kSteps; ++step) {
      for (int layer = 1; layer < 5; ++layer) RunLayer(step, layer);
    }
  }
  [[nodiscard]] std::int64_t checked() const { return checked_; }

 private:
  void RunLayer(int step, int layer) {
    std::vector<std::int32_t> ids;
    for (std::int64_t token = 0; token < kTokens; ++token) {
      std::set<std::int32_t> chosen;
      while (chosen.size() < kChosen)
        chosen.insert(static_cast<std::int32_t>(random_() % kExperts));
      ids.insert(ids.end(), chosen.begin(), chosen.end());
    }
    ledger_.Begin({ids.data(), kTokens, kChosen}, {.max_pairs = 100});
    first_ = static_cast<float>(number_ * 1000 + step * 10);
    while (!ledger_.done()) {
      const auto table = experts_.table();
      for (const Shipment* shipment : ledger_.Plan(*table, [](HolderId) { return true; })) {
        Send(*shipment, layer);
      }
      for (auto& event : box_.Wait(AnswerBox<FrameBytes>::TimePoint::max())) {
        Take(*event.answer, layer);
      }
    }
  }

  void Send(const Shipment& shipment, int layer) {
    auto frame = std::make_shared<FrameBytes>(
        StartDispatchFrame({.dispatch = shipment.number,
                            .epoch = shipment.epoch,
                            .layer = layer,
                            .num_rows = static_cast<std::int32_t>(shipment.tokens.size()),
                            .hidden = kHidden,
                            .type = DType::kFp32,
                            .pairs = shipment.pairs}));
    std::uint8_t* to = frame->rows;
    for (const std::int32_t token : shipment.tokens) {
      const std::vector<float> values(kHidden, first_ + static_cast<float>(token));
      PackValues(values.data(), kHidden, DType::kFp32, to);
      to += kHidden * BytesOf(DType::kFp32);
    }
    auto chunks = std::make_shared<ByteChunks>();
    chunks->Add({frame->data.get(), frame->size});
    PendingDispatch pending;
    ASSERT_TRUE(ParseDispatchFrame(*chunks, pending.frame).ok());
    pending.bytes = std::make_shared<std::pair<decltype(frame), decltype(chunks)>>(frame, chunks);
    pending.source = std::shared_ptr<DispatchSource>(this, [](DispatchSource*) {});
    ASSERT_TRUE(experts_.worker(shipment.holder).Push(std::move(pending)));
  }

  void Take(const FrameBytes& bytes, int layer) {
    std::uint64_t number = 0;
    const SomeAnswer answer = ReadAnswer(bytes, &number);
    const Shipment* shipment = ledger_.Find(number);
    ASSERT_NE(shipment, nullptr);
    if (answer.code != 0) {
      EXPECT_EQ(answer.code, kFailedPrecondition) << answer.message;
      ledger_.TakeBack(number);
      return;
    }
    ASSERT_EQ(answer.rows.size(), shipment->pairs.size() * kHidden);
    for (std::size_t i = 0; i < shipment->pairs.size(); ++i) {
      const RowExpert pair = shipment->pairs[i];
      const float x = first_ + static_cast<float>(shipment->tokens[pair.row]);
      EXPECT_EQ(answer.rows[i * kHidden], FakeOutput(x, pair.expert, layer));
      ++checked_;
    }
    ledger_.Settle(number);
  }

  const int number_;
  ExpertRanks& experts_;
  std::mt19937 random_;
  AnswerBox<FrameBytes> box_;
  DispatchLedger ledger_;
  float first_ = 0;  // the value of the first token's row
  std::int64_t checked_ = 0;
};

TEST(ManyRanksTest, EveryRankGetsItsOwnRowsWhileExpertsMove) {
  ExpertRanks experts;
  std::vector<std::unique_ptr<AttentionRank>> ranks;
  for (int i = 0; i < kAttentionRanks; ++i) {
    ranks.push_back(std::make_unique<AttentionRank>(i, experts));
  }
  std::atomic<bool> ended = false;
  std::thread mover([&] {
    std::mt19937 random(99);
    while (!ended) {
      experts.Move(static_cast<std::int32_t>(random() % kExperts), random() % kExpertRanks);
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  });
  std::vector<std::thread> threads;
  for (const auto& rank : ranks) threads.emplace_back([&rank] { rank->Run(); });
  for (std::thread& thread : threads) thread.join();
  ended = true;
  mover.join();
  experts.Stop();
  for (const auto& rank : ranks) EXPECT_EQ(rank->checked(), kSteps * 4 * kTokens * kChosen);
}

}  // namespace
}  // namespace sextant
