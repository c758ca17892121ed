#include "expert_worker/store/expert_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "common/weights/checkpoint.h"
#include "tests/golden/golden_model.h"
#include "tests/support/message_of.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

// The golden model "plain": 12 experts in layers 2 and 4 of five, in f32.
class ExpertStoreTest : public testing::Test {
 protected:
  absl::StatusOr<ExpertStore> Load(const std::vector<std::int32_t>& experts) {
    return ExpertStore::Load(config_, experts, loader_);
  }

  ModelConfig config_ = *ReadModelConfig(GoldenModelFolder("plain"));
  Checkpoint checkpoint_ = *Checkpoint::Open(GoldenModelFolder("plain"));
  WeightLoader loader_{checkpoint_, Precision::kFp32};
};

TEST_F(ExpertStoreTest, HoldsTheExpertsAskedForInEveryMoeLayerAndNoOthers) {
  const auto store = Load({7, 0, 11});
  ASSERT_TRUE(store.ok()) << store.status();
  int moe_layers = 0;
  for (int layer = 0; layer < config_.num_hidden_layers; ++layer) {
    moe_layers += config_.IsMoeLayer(layer) ? 1 : 0;
    for (std::int32_t expert = 0; expert < config_.n_routed_experts; ++expert) {
      const bool held = config_.IsMoeLayer(layer) && (expert == 7 || expert == 0 || expert == 11);
      EXPECT_EQ(store->Find(layer, expert) != nullptr, held)
          << "layer " << layer << ", expert " << expert;
    }
  }
  EXPECT_GT(moe_layers, 0);
  EXPECT_LT(moe_layers, config_.num_hidden_layers);
}

TEST_F(ExpertStoreTest, WeightsAreTheCheckpointsOwn) {
  const auto store = Load({3});
  ASSERT_TRUE(store.ok()) << store.status();
  const FeedForwardWeights* weights = store->Find(2, 3);
  ASSERT_NE(weights, nullptr);
  const std::string prefix = "model.layers.2.mlp.experts.3.";
  const std::int64_t hidden = config_.hidden_size;
  const std::int64_t width = config_.moe_intermediate_size;
  EXPECT_EQ(weights->gate.data,
            checkpoint_.Find(prefix + "gate_proj.weight", {width, hidden})->data);
  EXPECT_EQ(weights->up.data, checkpoint_.Find(prefix + "up_proj.weight", {width, hidden})->data);
  EXPECT_EQ(weights->down.data,
            checkpoint_.Find(prefix + "down_proj.weight", {hidden, width})->data);
  EXPECT_EQ(loader_.bytes_copied(), 0);
}

TEST_F(ExpertStoreTest, OnlyTheAskedForTensorsAreLoaded) {
  ASSERT_TRUE(Load({}).ok());
  EXPECT_EQ(loader_.bytes_loaded(), 0);
  ASSERT_TRUE(Load({5}).ok());
  const std::int64_t one = loader_.bytes_loaded();
  EXPECT_GT(one, 0);
  ASSERT_TRUE(Load({1, 2, 3}).ok());
  EXPECT_EQ(loader_.bytes_loaded(), 4 * one);
}

TEST_F(ExpertStoreTest, PlacesThatDoNotExistHoldNothing) {
  const auto store = Load(AllExperts(config_));
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ(store->Find(-1, 0), nullptr);
  EXPECT_EQ(store->Find(5, 0), nullptr);
  EXPECT_EQ(store->Find(2, -1), nullptr);
  EXPECT_EQ(store->Find(2, 12), nullptr);
  EXPECT_NE(store->Find(2, 11), nullptr);
}

TEST_F(ExpertStoreTest, ExpertsOutOfRangeOrTwiceAreRefused) {
  EXPECT_THAT(MessageOf(Load({0, 12})), HasSubstr("expert 12 is outside [0, 12)"));
  EXPECT_THAT(MessageOf(Load({-1})), HasSubstr("expert -1 is outside [0, 12)"));
  EXPECT_THAT(MessageOf(Load({4, 5, 4})), HasSubstr("expert 4 is listed twice"));
}

TEST_F(ExpertStoreTest, AConfigOfAnotherModelNamesTheTensor) {
  config_.moe_intermediate_size += 8;
  EXPECT_THAT(MessageOf(Load({2})), HasSubstr("mlp.experts.2.gate_proj.weight"));
}

}  // namespace
}  // namespace sextant
