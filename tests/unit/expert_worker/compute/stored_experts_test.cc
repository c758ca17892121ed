#include "expert_worker/compute/stored_experts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "common/device/backend.h"
#include "common/tensor/float_types.h"
#include "common/weights/checkpoint.h"
#include "tests/golden/golden_model.h"
#include "tests/support/message_of.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kTokens = 5;
constexpr int kLayer = 2;  // of the golden model "lite": a MoE layer with 16 experts

class StoredExpertsTest : public testing::TestWithParam<Backend> {
 protected:
  StoredExpertsTest() : rows_(static_cast<std::size_t>(kTokens * config_.hidden_size)) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (float& value : rows_) value = RoundToBf16(normal(random));
  }

  [[nodiscard]] ExpertStore Load(const std::vector<std::int32_t>& experts) {
    auto store = ExpertStore::Load(config_, experts, loader_);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

  // The output rows of `groups`, one group after another.
  absl::Status Compute(const ExpertStore& store, const std::vector<ExpertRowGroup>& groups,
                       std::vector<float>& outputs, int layer = kLayer) {
    std::int64_t count = 0;
    for (const ExpertRowGroup& group : groups) {
      count += static_cast<std::int64_t>(group.rows.size());
    }
    outputs.assign(static_cast<std::size_t>(count * config_.hidden_size), -7.0F);
    StoredExperts host(store, stream_, Precision::kBf16);
    return host.Compute({.layer = layer,
                         .rows = {rows_.data(), kTokens, config_.hidden_size},
                         .groups = groups,
                         .outputs = {outputs.data(), count, config_.hidden_size}});
  }

  ModelConfig config_ = *ReadModelConfig(GoldenModelFolder("lite"));
  Checkpoint checkpoint_ = *Checkpoint::Open(GoldenModelFolder("lite"));
  WeightLoader loader_{checkpoint_, Precision::kBf16};
  ThreadPool pool_{2};
  Stream stream_{GetParam(), pool_};
  std::vector<float> rows_;
};

TEST_P(StoredExpertsTest, EachGroupGetsItsOwnExpertsFeedForward) {
  const ExpertStore store = Load({2, 9, 15});
  const std::vector<std::int32_t> some = {0, 3, 4};
  const std::vector<std::int32_t> last = {4};
  std::vector<float> outputs;
  ASSERT_TRUE(Compute(store, {{2, some}, {15, last}}, outputs).ok());

  std::vector<float> expected(outputs.size());
  const std::vector<ExpertRows> experts = {{*store.Find(kLayer, 2), some},
                                           {*store.Find(kLayer, 15), last}};
  ASSERT_TRUE(GroupedFeedForward(stream_, {.x = {rows_.data(), kTokens, config_.hidden_size},
                                           .experts = experts,
                                           .y = {expected.data(), 4, config_.hidden_size},
                                           .precision = Precision::kBf16})
                  .ok());
  EXPECT_EQ(outputs, expected);
  // The same row by two experts: not the same output.
  const auto hidden = static_cast<std::size_t>(config_.hidden_size);
  EXPECT_NE(
      std::memcmp(outputs.data() + 2 * hidden, outputs.data() + 3 * hidden, hidden * sizeof(float)),
      0);
}

TEST_P(StoredExpertsTest, WhereAnExpertLivesAndWhoElseDoesChangesNoByte) {
  const ExpertStore all = Load(AllExperts(config_));
  const ExpertStore shard = Load({9});
  const std::vector<std::int32_t> everyone = {0, 1, 2, 3, 4};
  const std::vector<std::int32_t> two = {1, 4};
  std::vector<float> together;
  ASSERT_TRUE(Compute(all, {{0, everyone}, {9, two}, {10, everyone}}, together).ok());
  std::vector<float> alone;
  ASSERT_TRUE(Compute(shard, {{9, two}}, alone).ok());
  const auto begin = together.begin() + 5 * config_.hidden_size;
  EXPECT_EQ(alone, std::vector<float>(begin, begin + 2 * config_.hidden_size));
}

TEST_P(StoredExpertsTest, AnExpertThatIsNotHeldIsNamedAndNothingIsWritten) {
  const ExpertStore store = Load({2});
  const std::vector<std::int32_t> rows = {0};
  std::vector<float> outputs;
  const absl::Status status = Compute(store, {{2, rows}, {3, rows}}, outputs);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(MessageOf(status), HasSubstr("expert 3 of layer 2 is not held by this worker"));
  EXPECT_THAT(outputs, testing::Each(-7.0F));
  EXPECT_EQ(Compute(store, {{2, rows}}, outputs, /*layer=*/0).code(), absl::StatusCode::kNotFound)
      << "layer 0 is dense";
}

TEST_P(StoredExpertsTest, NoGroupsIsNoWork) {
  const ExpertStore store = Load({2});
  std::vector<float> outputs;
  EXPECT_TRUE(Compute(store, {}, outputs).ok());
}

INSTANTIATE_TEST_SUITE_P(Backends, StoredExpertsTest, testing::ValuesIn(SupportedBackends()),
                         [](const auto& backend) {
                           std::string name = Name(backend.param);
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace sextant
