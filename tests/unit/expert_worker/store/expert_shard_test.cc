#include "expert_worker/store/expert_shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "common/config/model_config.h"
#include "tests/golden/golden_model.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// "plain" is in f32, so that under bf16 its experts are copies.
struct Model {
  explicit Model(const char* name)
      : config(*ReadModelConfig(GoldenModelFolder(name))),
        checkpoint(*Checkpoint::Open(GoldenModelFolder(name))) {}
  ModelConfig config;
  Checkpoint checkpoint;
};

TEST(ExpertShardTest, PrepareAddsAndRetireDrops) {
  const Model model("lite");
  ExpertShard shard(model.config, model.checkpoint, Precision::kBf16);
  EXPECT_THAT(shard.snapshot()->Ids(), IsEmpty());
  std::vector<std::size_t> progress;
  ASSERT_TRUE(shard
                  .Prepare(1, {2, 5},
                           [&](std::size_t done, std::size_t of) {
                             EXPECT_EQ(of, 2U);
                             progress.push_back(done);
                           })
                  .ok());
  EXPECT_THAT(progress, ElementsAre(1, 2));
  EXPECT_THAT(shard.snapshot()->Ids(), ElementsAre(2, 5));
  ASSERT_TRUE(shard.Prepare(2, {5, 9}).ok());
  EXPECT_THAT(shard.snapshot()->Ids(), ElementsAre(2, 5, 9));
  shard.Retire(7);  // never prepared
  EXPECT_THAT(shard.snapshot()->Ids(), ElementsAre(2, 5, 9));
  shard.Retire(2);
  EXPECT_THAT(shard.snapshot()->Ids(), ElementsAre(5, 9));
  EXPECT_EQ(shard.snapshot()->Find(1, 2), nullptr);
  EXPECT_NE(shard.snapshot()->Find(1, 9), nullptr);
  EXPECT_EQ(shard.snapshot()->Find(0, 9), nullptr);  // the dense layer
  ASSERT_TRUE(shard.Prepare(3, {}).ok());            // drained
  shard.Retire(3);
  EXPECT_THAT(shard.snapshot()->Ids(), IsEmpty());
}

TEST(ExpertShardTest, WhatAnAbandonedEpochWantedGoesWithTheNextRetirement) {
  const Model model("lite");
  ExpertShard shard(model.config, model.checkpoint, Precision::kBf16);
  ASSERT_TRUE(shard.Prepare(1, {0}).ok());
  ASSERT_TRUE(shard.Prepare(2, {1}).ok());  // somebody else failed to prepare it
  ASSERT_TRUE(shard.Prepare(3, {2}).ok());
  ASSERT_TRUE(shard.Prepare(4, {3}).ok());  // already the next one
  shard.Retire(3);
  EXPECT_THAT(shard.snapshot()->Ids(), ElementsAre(2, 3));
}

TEST(ExpertShardTest, WrongIdsChangeNothing) {
  const Model model("lite");
  ExpertShard shard(model.config, model.checkpoint, Precision::kBf16);
  ASSERT_TRUE(shard.Prepare(1, {4}).ok());
  for (const std::vector<std::int32_t>& wrong : {std::vector<std::int32_t>{1, 16}, {-1}, {3, 3}}) {
    EXPECT_EQ(shard.Prepare(2, wrong).code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_THAT(shard.snapshot()->Ids(), ElementsAre(4));
}

TEST(ExpertShardTest, AnExpertThatStaysIsNotLoadedAgain) {
  const Model model("plain");
  ExpertShard shard(model.config, model.checkpoint, Precision::kBf16);
  ASSERT_TRUE(shard.Prepare(1, {1, 2}).ok());
  const std::shared_ptr<const HeldExpert> before = shard.snapshot()->Expert(2);
  ASSERT_TRUE(shard.Prepare(2, {2, 3}).ok());
  shard.Retire(2);
  EXPECT_EQ(shard.snapshot()->Expert(2), before);
  EXPECT_GT(before->bytes(), 0);
}

// Copies live in the expert: an old snapshot must be able to read them after all is retired.
TEST(ExpertShardTest, ASnapshotKeepsItsExpertsWhileOthersComeAndGo) {
  const Model model("plain");
  ExpertShard shard(model.config, model.checkpoint, Precision::kBf16);
  ASSERT_TRUE(shard.Prepare(1, AllExperts(model.config)).ok());
  const int layer = static_cast<int>(model.config.num_hidden_layers) - 1;
  const auto read = [&](const ExpertStore& store, std::int32_t expert) {
    const WeightView& down = store.Find(layer, expert)->down;
    std::vector<char> bytes(static_cast<std::size_t>(down.bytes()));
    std::memcpy(bytes.data(), down.data, bytes.size());
    return bytes;
  };
  const std::shared_ptr<const ExpertStore> first = shard.snapshot();
  const std::vector<char> expected = read(*first, 3);
  std::atomic<bool> done = false;
  std::thread coordinator([&] {
    for (std::uint64_t epoch = 2; epoch < 40; ++epoch) {
      EXPECT_TRUE(shard.Prepare(epoch, {3, static_cast<std::int32_t>(4 + epoch % 3)}).ok());
      shard.Retire(epoch);
    }
    done.store(true);
  });
  while (!done.load()) EXPECT_EQ(read(*shard.snapshot(), 3), expected);
  coordinator.join();
  EXPECT_EQ(read(*first, 3), expected);
}

}  // namespace
}  // namespace sextant
