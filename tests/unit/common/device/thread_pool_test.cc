#include "common/device/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace sextant {
namespace {

TEST(ThreadPoolTest, EveryTaskRunsExactlyOnce) {
  for (int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    for (std::int64_t tasks : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<std::size_t>(tasks));
      std::atomic<bool> worker_in_range = true;
      pool.ParallelFor(tasks, [&](std::int64_t task, int worker) {
        runs[static_cast<std::size_t>(task)].fetch_add(1);
        if (worker < 0 || worker >= threads) worker_in_range = false;
      });
      for (const std::atomic<int>& count : runs) EXPECT_EQ(count.load(), 1);
      EXPECT_TRUE(worker_in_range);
    }
  }
}

TEST(ThreadPoolTest, PlainWritesOfOneRegionAreSeenByTheNext) {
  ThreadPool pool(4);
  std::vector<int> values(64, 0);
  for (int round = 0; round < 2000; ++round) {
    pool.ParallelFor(64, [&](std::int64_t task, int) {
      const auto i = static_cast<std::size_t>((task + round) % 64);
      values[i] += 1;
    });
  }
  for (int value : values) EXPECT_EQ(value, 2000);
}

}  // namespace
}  // namespace sextant
