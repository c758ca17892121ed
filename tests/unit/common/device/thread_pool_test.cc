#include "common/device/thread_pool.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "common/device/processor_use.h"

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

// How many processors the calling thread may run on.
int AllowedProcessors() {
  cpu_set_t allowed;
  return sched_getaffinity(0, sizeof(allowed), &allowed) == 0 ? CPU_COUNT(&allowed) : 0;
}

TEST(ThreadPoolTest, OneThreadForEachProcessorBindsThemUnlessTheFirstOfTheProcessIsAmongThem) {
  const int processors = AllowedProcessors();
  ASSERT_GE(processors, 1);
  ThreadPool pool(processors);
  pool.ParallelFor(64, [](std::int64_t, int) {});
  EXPECT_EQ(AllowedProcessors(), processors);
  std::thread([&] {
    ThreadPool own(processors);
    std::mutex mutex;
    std::set<int> most;
    // Threads that come late find no task, so the regions are many.
    for (int round = 0; round < 20; ++round) {
      own.ParallelFor(64, [&](std::int64_t, int) {
        const std::lock_guard<std::mutex> lock(mutex);
        most.insert(AllowedProcessors());
      });
    }
    EXPECT_EQ(most, std::set<int>({1}));
  }).join();
  std::thread([&] {
    ThreadPool other(processors + 1);
    other.ParallelFor(64, [](std::int64_t, int) {});
    EXPECT_EQ(AllowedProcessors(), processors);
  }).join();
}

TEST(ThreadPoolTest, ThreadsThatGiveWayRunEveryTask) {
  std::thread([] {
    EXPECT_FALSE(GivesWay());
    GiveWay();
    EXPECT_TRUE(GivesWay());
    ThreadPool pool(3);
    std::atomic<int> runs = 0;
    for (int round = 0; round < 20; ++round) {
      pool.ParallelFor(7, [&](std::int64_t, int) { runs.fetch_add(1); });
    }
    EXPECT_EQ(runs, 140);
  }).join();
  EXPECT_FALSE(GivesWay());
}

}  // namespace
}  // namespace sextant
