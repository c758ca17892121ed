// The threads of the router's front, under load from many others.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "router/generation/task_thread.h"
#include "router/generation/work_pool.h"

namespace sextant::router {
namespace {

constexpr int kPosters = 8;
constexpr int kEach = 500;

TEST(TaskThreadTest, TasksOfManyThreadsRunOneAtATimeAndInTheOrderOfEach) {
  std::vector<int> last(kPosters, -1);  // the task thread's own: no lock
  int ticks = 0;
  int ran = 0;
  TaskThread thread([&] {
    ++ticks;
    return absl::InfiniteFuture();
  });
  std::vector<std::thread> posters;
  for (std::size_t poster = 0; poster < kPosters; ++poster) {
    posters.emplace_back([&, poster] {
      for (int i = 0; i < kEach; ++i) {
        thread.Post([&, poster, i] {
          EXPECT_EQ(last[poster], i - 1);
          last[poster] = i;
          ++ran;
        });
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  thread.Stop();
  EXPECT_EQ(ran, kPosters * kEach);
  EXPECT_GE(ticks, 1);
  thread.Post([&] { ++ran; });
  EXPECT_EQ(ran, kPosters * kEach) << "after Stop nothing runs";
}

TEST(TaskThreadTest, ATickComesAtTheTimeThatTheLastOneNamed) {
  std::mutex mutex;
  std::condition_variable changed;
  int ticks = 0;
  TaskThread thread([&] {
    const std::lock_guard<std::mutex> lock(mutex);
    ++ticks;
    changed.notify_all();
    return absl::Now() + absl::Milliseconds(1);
  });
  std::unique_lock<std::mutex> lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return ticks >= 5; }));
  lock.unlock();
  thread.Stop();
}

TEST(WorkPoolTest, WhatWasTakenRunsOnceAndWhatIsTooMuchIsNotTaken) {
  WorkPool pool(3, 64);
  std::atomic<int> ran = 0;
  std::atomic<int> taken = 0;
  std::vector<std::thread> posters;
  for (int poster = 0; poster < kPosters; ++poster) {
    posters.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        if (pool.TryPost([&ran] { ++ran; })) ++taken;
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  pool.Stop();
  EXPECT_EQ(ran, taken);
  EXPECT_GE(taken, 64);
  EXPECT_FALSE(pool.TryPost([&ran] { ++ran; }));
}

}  // namespace
}  // namespace sextant::router
