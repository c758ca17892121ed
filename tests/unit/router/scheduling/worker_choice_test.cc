#include "router/scheduling/worker_choice.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace sextant::router {
namespace {

class WorkerChoiceTest : public ::testing::Test {
 protected:
  WorkerChoiceTest() : prompt_(64) {
    std::iota(prompt_.begin(), prompt_.end(), 0);
    for (PeerNumber number = 1; number <= 3; ++number) {
      workers_.push_back({.number = number,
                          .cache_blocks = 100,
                          .block_tokens = 16,
                          .max_sequences = 4,
                          .load = {.free_blocks = 100}});
    }
  }

  Choice Choose(std::int64_t max_tokens = 16) {
    return ChooseWorker({.prompt_ids = prompt_, .max_tokens = max_tokens}, workers_, prefixes_);
  }
  std::optional<std::size_t> Index(std::int64_t max_tokens = 16) {
    return Choose(max_tokens).worker;
  }

  std::vector<std::int32_t> prompt_;
  std::vector<WorkerState> workers_;
  PrefixIndex prefixes_{1000};
};

TEST_F(WorkerChoiceTest, NoWorkerNoChoice) {
  workers_.clear();
  EXPECT_FALSE(Index().has_value());
  EXPECT_FALSE(Choose().too_long_for.has_value());
}

TEST_F(WorkerChoiceTest, EqualsTakeTurns) {
  workers_[0].last_choice = 3;
  workers_[1].last_choice = 1;
  workers_[2].last_choice = 2;
  EXPECT_EQ(Index(), 1U);
}

TEST_F(WorkerChoiceTest, TheOneWithFewerSequences) {
  workers_[0].sequences = 2;
  workers_[1].sequences = 1;
  workers_[2].sequences = 2;
  EXPECT_EQ(Index(), 1U);
}

TEST_F(WorkerChoiceTest, ACachedPrefixOutweighsSomeLoad) {
  prefixes_.Insert(BlockHashes(prompt_, 16), 3);
  workers_[2].sequences = 2;
  EXPECT_EQ(Index(), 2U);
}

TEST_F(WorkerChoiceTest, ButNotAllLoad) {
  prefixes_.Insert(absl::MakeConstSpan(BlockHashes(prompt_, 16)).subspan(0, 1), 3);
  workers_[2].sequences = 3;
  EXPECT_NE(Index(), 2U);
}

TEST_F(WorkerChoiceTest, AFullWorkerIsNotChosen) {
  for (WorkerState& worker : workers_) worker.sequences = 4;
  EXPECT_FALSE(Index().has_value());
  workers_[1].sequences = 3;
  EXPECT_EQ(Index(), 1U);
}

TEST_F(WorkerChoiceTest, AWorkerWhoseSequencesWaitForCacheIsNotChosen) {
  for (WorkerState& worker : workers_) worker.load.waiting = 1;
  for (WorkerState& worker : workers_) worker.sequences = 1;
  EXPECT_FALSE(Index().has_value());
  workers_[2].sequences = 0;  // its report is old: nothing of ours can wait there
  EXPECT_EQ(Index(), 2U);
}

TEST_F(WorkerChoiceTest, RoomInTheCacheComesBeforeEverythingElse) {
  workers_[0].load.free_blocks = 4;  // five are needed
  workers_[1].load.free_blocks = 9;
  workers_[1].promised_blocks = 5;
  workers_[2].sequences = 3;
  EXPECT_EQ(Index(), 2U);
  prefixes_.Insert(BlockHashes(prompt_, 16), 1);  // now one block of new cache is enough
  EXPECT_EQ(Index(), 0U);
}

TEST_F(WorkerChoiceTest, TheOneToAvoidOnlyIfThereIsNoOther) {
  workers_[0].avoid = true;
  workers_[1].sequences = 3;
  workers_[2].sequences = 3;
  EXPECT_NE(Index(), 0U);
  workers_[1].sequences = workers_[2].sequences = 4;
  EXPECT_EQ(Index(), 0U);
}

TEST_F(WorkerChoiceTest, ASequenceThatNoCacheCanEverHoldSaysSo) {
  workers_[1].cache_blocks = 50;
  EXPECT_EQ(Index(1600 - 64), 0U);
  const Choice choice = Choose(1600 - 64 + 1);
  EXPECT_FALSE(choice.worker.has_value());
  EXPECT_EQ(choice.too_long_for, 1600);
  for (WorkerState& worker : workers_) worker.sequences = 4;
  EXPECT_FALSE(Choose(1000).too_long_for.has_value());
}

}  // namespace
}  // namespace sextant::router
