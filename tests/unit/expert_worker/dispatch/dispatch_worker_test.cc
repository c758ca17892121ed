#include "expert_worker/dispatch/dispatch_worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/expert_worker/dispatch/fake_experts.h"
#include "tests/unit/expert_worker/dispatch/fake_source.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

constexpr std::int32_t kExperts = 8;
constexpr std::int32_t kHidden = 5;
constexpr auto kFailedPrecondition = static_cast<int>(absl::StatusCode::kFailedPrecondition);
constexpr auto kInvalidArgument = static_cast<int>(absl::StatusCode::kInvalidArgument);
constexpr auto kInternal = static_cast<int>(absl::StatusCode::kInternal);

DispatchWorker::Options SomeOptions() {
  return {.num_experts = kExperts, .hidden = kHidden, .type = DType::kFp32, .queue_capacity = 64};
}

DispatchHeader Header(std::uint64_t dispatch, int layer, std::vector<RowExpert> pairs) {
  const std::int32_t rows = pairs.empty() ? 0 : pairs.back().row + 1;
  return {.dispatch = dispatch,
          .epoch = 1,
          .layer = layer,
          .num_rows = rows,
          .hidden = kHidden,
          .type = DType::kFp32,
          .pairs = std::move(pairs)};
}

TEST(DispatchWorkerTest, AnswersEveryPairOfADispatch) {
  FakeExperts experts({1, 6});
  const auto source = FakeSource::Create();
  DispatchWorker worker(SomeOptions(), experts);
  ASSERT_TRUE(worker.Push(source->Make(Header(3, 2, {{0, 6}, {1, 1}, {1, 6}}), 4.0F)));
  const SomeAnswer answer = source->WaitFor(3);
  EXPECT_EQ(answer.code, 0);
  ASSERT_EQ(answer.rows.size(), 3U * kHidden);
  EXPECT_EQ(answer.rows[0], FakeOutput(4.0F, 6, 2));
  EXPECT_EQ(answer.rows[kHidden], FakeOutput(5.0F, 1, 2));
  EXPECT_EQ(answer.rows[2 * kHidden], FakeOutput(5.0F, 6, 2));

  worker.Stop();
  EXPECT_EQ(worker.TakeLoad(), (std::vector<std::int64_t>{0, 1, 0, 0, 0, 0, 2, 0}));
  EXPECT_EQ(worker.TakeLoad(), std::vector<std::int64_t>(kExperts));
  EXPECT_EQ(worker.counts().rows, 3);
}

TEST(DispatchWorkerTest, ADispatchAtFaultIsRefusedAndItsNeighboursAreNot) {
  FakeExperts experts({0, 1, 2});
  const auto source = FakeSource::Create();
  DispatchWorker worker(SomeOptions(), experts);
  experts.StandStill(true);
  ASSERT_TRUE(worker.Push(source->Make(Header(1, 1, {{0, 0}}), 0.0F)));
  experts.WaitForBatch();
  ASSERT_TRUE(worker.Push(source->Make(Header(2, 1, {{0, 0}, {0, 5}}), 0.0F)));
  ASSERT_TRUE(worker.Push(source->Make(Header(3, 1, {{0, 2}}), 7.0F)));
  ASSERT_TRUE(worker.Push(source->Make(Header(4, 1, {{0, 8}}), 0.0F)));
  DispatchHeader wide = Header(5, 1, {{0, 0}});
  wide.hidden = kHidden + 1;
  ASSERT_TRUE(worker.Push(source->Make(wide, 0.0F)));
  DispatchHeader narrow = Header(6, 1, {{0, 0}});
  narrow.type = DType::kBf16;
  ASSERT_TRUE(worker.Push(source->Make(narrow, 0.0F)));
  ASSERT_TRUE(worker.Push(source->Make(Header(7, 0, {{0, 0}}), 0.0F)));
  ASSERT_TRUE(worker.Push(source->Make(Header(8, 1, {}), 0.0F)));
  experts.StandStill(false);

  EXPECT_EQ(source->WaitFor(2).code, kFailedPrecondition);
  EXPECT_THAT(source->WaitFor(2).message, HasSubstr("expert 5 of layer 1 is not held"));
  EXPECT_EQ(source->WaitFor(3).code, 0);
  EXPECT_EQ(source->WaitFor(3).rows[0], FakeOutput(7.0F, 2, 1));
  EXPECT_EQ(source->WaitFor(4).code, kInvalidArgument);
  EXPECT_EQ(source->WaitFor(5).code, kInvalidArgument);
  EXPECT_THAT(source->WaitFor(5).message, HasSubstr("rows of 6 values"));
  EXPECT_EQ(source->WaitFor(6).code, kInvalidArgument);
  EXPECT_EQ(source->WaitFor(7).code, kInvalidArgument);
  EXPECT_EQ(source->WaitFor(8).code, 0);
  EXPECT_TRUE(source->WaitFor(8).rows.empty());
  worker.Stop();
  EXPECT_EQ(worker.counts().refused, 5);
  EXPECT_EQ(worker.counts().dispatches, 8);
}

TEST(DispatchWorkerTest, AFailureToComputeIsToldToEverybodyInTheBatch) {
  FakeExperts experts({0});
  experts.Fail(absl::NotFoundError("weights have gone"));
  const auto source = FakeSource::Create();
  DispatchWorker worker(SomeOptions(), experts);
  ASSERT_TRUE(worker.Push(source->Make(Header(1, 1, {{0, 0}}), 0.0F)));
  EXPECT_EQ(source->WaitFor(1).code, kInternal);
  EXPECT_THAT(source->WaitFor(1).message, HasSubstr("weights have gone"));
  experts.Fail(absl::OkStatus());
  ASSERT_TRUE(worker.Push(source->Make(Header(2, 1, {{0, 0}}), 0.0F)));
  EXPECT_EQ(source->WaitFor(2).code, 0);
}

TEST(DispatchWorkerTest, NothingIsComputedForThoseWhoHaveGone) {
  FakeExperts experts({0});
  const auto here = FakeSource::Create();
  const auto gone = FakeSource::Create();
  DispatchWorker worker(SomeOptions(), experts);
  gone->Vanish();
  ASSERT_TRUE(worker.Push(gone->Make(Header(1, 1, {{0, 0}}), 0.0F)));
  ASSERT_TRUE(worker.Push(here->Make(Header(2, 2, {{0, 0}}), 0.0F)));
  EXPECT_EQ(here->WaitFor(2).code, 0);
  EXPECT_EQ(gone->answers(), 0U);
  EXPECT_EQ(experts.batches(), 1);
}

TEST(DispatchWorkerTest, AFullQueueRefusesAndStopComputesWhatWaits) {
  FakeExperts experts({0});
  const auto source = FakeSource::Create();
  DispatchWorker::Options options = SomeOptions();
  options.queue_capacity = 2;
  DispatchWorker worker(options, experts);
  experts.StandStill(true);
  ASSERT_TRUE(worker.Push(source->Make(Header(1, 1, {{0, 0}}), 0.0F)));
  experts.WaitForBatch();
  ASSERT_TRUE(worker.Push(source->Make(Header(2, 1, {{0, 0}}), 0.0F)));
  ASSERT_TRUE(worker.Push(source->Make(Header(3, 2, {{0, 0}}), 0.0F)));
  EXPECT_FALSE(worker.Push(source->Make(Header(4, 2, {{0, 0}}), 0.0F)));
  experts.StandStill(false);
  worker.Stop();
  EXPECT_EQ(source->answers(), 3U);
  EXPECT_FALSE(worker.Push(source->Make(Header(5, 2, {{0, 0}}), 0.0F)));
}

TEST(DispatchWorkerTest, ManySourcesAtOnceGetTheirOwnAnswers) {
  FakeExperts experts({0, 1, 2, 3, 4, 5, 6, 7});
  DispatchWorker worker(SomeOptions(), experts);
  std::vector<std::thread> threads;
  for (std::uint16_t number = 0; number < 4; ++number) {
    threads.emplace_back([&worker, number] {
      const auto source = FakeSource::Create();
      for (std::uint64_t dispatch = 1; dispatch <= 100; ++dispatch) {
        const int layer = 1 + static_cast<int>(dispatch % 4);
        const auto expert = static_cast<std::uint16_t>((dispatch + number) % kExperts);
        const float first = static_cast<float>(dispatch) + 1000.0F * number;
        ASSERT_TRUE(worker.Push(
            source->Make(Header(dispatch, layer, {{0, expert}, {0, number}, {1, expert}}), first)));
        const SomeAnswer answer = source->WaitFor(dispatch);
        ASSERT_EQ(answer.rows.size(), 3U * kHidden);
        EXPECT_EQ(answer.rows[0], FakeOutput(first, expert, layer));
        EXPECT_EQ(answer.rows[kHidden], FakeOutput(first, number, layer));
        EXPECT_EQ(answer.rows[2 * kHidden], FakeOutput(first + 1.0F, expert, layer));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  worker.Stop();
  EXPECT_EQ(worker.counts().dispatches, 400);
  EXPECT_EQ(worker.counts().rows, 1200);
  EXPECT_LE(worker.counts().batches, 400);
}

TEST(DispatchQueueTest, TheOldestDecidesTheLayerAndTheMergeIsBounded) {
  const auto source = FakeSource::Create();
  DispatchQueue queue(10);
  const std::vector<RowExpert> two = {{0, 0}, {0, 1}};
  for (const auto& [dispatch, layer] : {std::pair{1, 3}, {2, 4}, {3, 3}, {4, 3}, {5, 4}}) {
    ASSERT_TRUE(queue.TryPush(
        source->Make(Header(static_cast<std::uint64_t>(dispatch), layer, two), 0.0F)));
  }
  const auto numbers = [&](std::int64_t max_pairs) {
    std::vector<std::uint64_t> popped;
    for (const PendingDispatch& dispatch : queue.Pop(max_pairs)) {
      popped.push_back(dispatch.frame.header.dispatch);
    }
    return popped;
  };
  EXPECT_EQ(numbers(4), (std::vector<std::uint64_t>{1, 3}));
  EXPECT_EQ(numbers(100), (std::vector<std::uint64_t>{2, 5}));
  EXPECT_EQ(numbers(1), (std::vector<std::uint64_t>{4}));  // one goes, however large
  queue.Close();
  EXPECT_TRUE(numbers(1).empty());
  EXPECT_FALSE(queue.TryPush(source->Make(Header(6, 1, two), 0.0F)));
}

}  // namespace
}  // namespace sextant
