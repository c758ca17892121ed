#include "common/concurrency/bounded_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace sextant {
namespace {

using ::testing::ElementsAre;

TEST(BoundedQueueTest, RefusesWhatDoesNotFitAndLeavesIt) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  EXPECT_TRUE(queue.TryPush(std::make_unique<int>(1)));
  auto second = std::make_unique<int>(2);
  EXPECT_FALSE(queue.TryPush(std::move(second)));
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(**queue.Pop(), 1);
  EXPECT_TRUE(queue.TryPush(std::move(second)));
}

TEST(BoundedQueueTest, ClosedQueueGivesWhatIsLeft) {
  BoundedQueue<int> queue(4);
  EXPECT_TRUE(queue.TryPush(1));
  EXPECT_TRUE(queue.TryPush(2));
  queue.Close();
  EXPECT_FALSE(queue.TryPush(3));
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_THAT(queue.PopAll(), ElementsAre(2));
  EXPECT_EQ(queue.Pop(), std::nullopt);
  EXPECT_EQ(queue.PopFor(std::chrono::hours(1)), std::nullopt);
}

TEST(BoundedQueueTest, CloseWakesEverybodyWhoWaits) {
  BoundedQueue<int> queue(1);
  std::thread one([&queue] { EXPECT_EQ(queue.Pop(), std::nullopt); });
  std::thread other([&queue] { EXPECT_EQ(queue.Pop(), std::nullopt); });
  queue.Close();
  one.join();
  other.join();
}

TEST(BoundedQueueTest, EveryItemArrivesOnceAndInOrderOfItsSender) {
  constexpr int kItems = 2000;
  BoundedQueue<std::pair<int, int>> queue(8);
  const auto send = [&queue](int sender) {
    for (int i = 0; i < kItems; ++i) {
      while (!queue.TryPush({sender, i})) std::this_thread::yield();
    }
  };
  std::thread a(send, 0);
  std::thread b(send, 1);
  int next[2] = {0, 0};
  for (int i = 0; i < 2 * kItems; ++i) {
    const auto item = queue.Pop();
    ASSERT_TRUE(item.has_value());
    ASSERT_EQ(item->second, next[item->first]++);
  }
  a.join();
  b.join();
}

}  // namespace
}  // namespace sextant
