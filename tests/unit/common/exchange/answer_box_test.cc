#include "common/exchange/answer_box.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <thread>

namespace sextant {
namespace {

using Box = AnswerBox<std::string>;

Box::Event Answer(HolderId holder, std::string text) {
  return {.holder = holder, .stream = 1, .answer = std::move(text), .end = absl::OkStatus()};
}

TEST(AnswerBoxTest, WaitReturnsWhatWasPostedOnce) {
  Box box;
  box.Post(Answer(3, "a"));
  box.Post({.holder = 4, .stream = 2, .answer = std::nullopt, .end = absl::AbortedError("cut")});
  const std::vector<Box::Event> events = box.Wait(Box::TimePoint::max());
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(*events[0].answer, "a");
  EXPECT_FALSE(events[1].answer.has_value());
  EXPECT_TRUE(box.Wait(std::chrono::steady_clock::now()).empty());
}

TEST(AnswerBoxTest, WakeEndsAWaitWithoutEvents) {
  Box box;
  std::thread waker([&box] { box.Wake(); });
  EXPECT_TRUE(box.Wait(Box::TimePoint::max()).empty());
  waker.join();
}

TEST(AnswerBoxTest, AnswersOfManyThreadsAllArriveInTheOrderOfEach) {
  constexpr int kThreads = 4;
  constexpr int kAnswers = 500;
  Box box;
  std::vector<std::thread> threads;
  for (HolderId holder = 0; holder < kThreads; ++holder) {
    threads.emplace_back([&box, holder] {
      for (int i = 0; i < kAnswers; ++i) box.Post(Answer(holder, std::to_string(i)));
    });
  }
  std::map<HolderId, int> next;
  for (int seen = 0; seen < kThreads * kAnswers;) {
    for (const Box::Event& event : box.Wait(Box::TimePoint::max())) {
      EXPECT_EQ(*event.answer, std::to_string(next[event.holder]++));
      ++seen;
    }
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace sextant
