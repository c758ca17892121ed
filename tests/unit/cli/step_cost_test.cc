#include "cli/step_cost.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/v2_lite.h"
#include "tests/unit/cli/model_shapes.h"

namespace sextant::cli {
namespace {

// What one row multiplies with in each part of a layer of Small().
constexpr double kQuery = 10 * 18;      // H, heads * (nope + rope)
constexpr double kLatent = 10 * 9;      // H, R + rope
constexpr double kExpand = 7 * 27;      // R, heads * (nope + v)
constexpr double kOutput = 15 * 10;     // heads * v, H
constexpr double kDense = 3 * 10 * 21;  // gate, up and down
constexpr double kGate = 10 * 8;
constexpr double kExpert = 3 * 10 * 11;
constexpr double kHead = 100 * 10;

TEST(CostOfStep, CountsTheProductsOfGeneratedRows) {
  const StepCost cost =
      CostOfStep(Small(), {.decode = 2, .context = 6, .logits = 2}, {{.rows = 4, .experts = 3}}, 2);
  const double attention = 2 * (kQuery + kLatent + kExpand + kOutput);
  const double pairs = 2 * 6 * 3 * (9 + 7);  // rows, keys, heads, R + rope and R
  const double mlps = 2 * (kDense + kGate + kExpert) + 4 * kExpert;
  EXPECT_EQ(cost.flops, 2 * (2 * attention + 2 * pairs + mlps + 2 * kHead));
}

TEST(CostOfStep, ReadsEachExpertOnceAndTheContextOfEveryRow) {
  const StepCost cost =
      CostOfStep(Small(), {.decode = 2, .context = 6, .logits = 2}, {{.rows = 4, .experts = 3}}, 2);
  const double norms = 2 * (2 * 10 + 7) + 10;
  const double weights = 2 * (kQuery + kLatent + kExpand + kOutput) + kDense + kGate + kExpert +
                         3 * kExpert + kHead + norms;
  const double latents = 2 * 2 * 6 * 9;  // layers, rows, positions, R + rope
  const double embeddings = 2 * 10;
  EXPECT_EQ(cost.bytes, 2 * (weights + latents + embeddings));
}

TEST(CostOfStep, LastLayerGoesOnWithWantedRowsOnly) {
  const StepCost cost =
      CostOfStep(Small(), {.prompt = 5, .logits = 1}, {{.rows = 2, .experts = 2}}, 2);
  const double first = 5 * (kQuery + kLatent + kExpand + kOutput + kDense);
  const double first_pairs = 15 * 3 * (6 + 5);  // 1 + 2 + .. + 5 keys, heads, q and v widths
  const double last = 5 * (kLatent + kExpand) + kQuery + kOutput + kGate + kExpert;
  const double last_pairs = 5 * 3 * (6 + 5);
  EXPECT_EQ(cost.flops, 2 * (first + first_pairs + last + last_pairs + 2 * kExpert + kHead));
}

TEST(CostOfStep, LowRankQueriesAreTwoProducts) {
  ModelConfig config = Small();
  const StepRows rows = {.decode = 1, .context = 1, .logits = 1};
  const double direct = CostOfStep(config, rows, {}, 2).flops;
  config.q_lora_rank = 6;
  EXPECT_EQ(CostOfStep(config, rows, {}, 2).flops - direct, 2 * 2 * (6 * 10 + 6 * 18 - kQuery));
}

TEST(CostOfStep, AgreesWithWhatIsKnownOfV2Lite) {
  const std::vector<ExpertLoad> load(26, {.rows = 6, .experts = 6});
  const StepCost empty = CostOfStep(V2LiteConfig(), {.decode = 1, .logits = 1}, load, 2);
  const StepCost longer =
      CostOfStep(V2LiteConfig(), {.decode = 1, .context = 1000, .logits = 1}, load, 2);
  // 2,451,435,008 parameters are active per token; of them 126,464 are norms, not products.
  EXPECT_NEAR(empty.flops, 2 * 2451435008.0, 1e6);
  EXPECT_NEAR(empty.bytes, 2 * 2451435008.0, 1e4);
  EXPECT_EQ((longer.flops - empty.flops) / 1000, 940032);
  EXPECT_EQ((longer.bytes - empty.bytes) / 1000, 31104);
}

TEST(CostOfStep, IsTheSumOfItsOperators) {
  const StepCost cost =
      CostOfStep(Small(), {.decode = 2, .context = 6, .logits = 2}, {{.rows = 4, .experts = 3}}, 2);
  // Two layers of projections, attention and output; dense; gate, shared and routed; the head.
  ASSERT_EQ(cost.operators.size(), 2 * 3 + 1 + 3 + 1);
  double flops = 0;
  double bytes = 0;
  for (const OperatorCost& of : cost.operators) {
    flops += of.flops;
    bytes += of.bytes;
  }
  EXPECT_EQ(flops, cost.flops);
  EXPECT_EQ(bytes, cost.bytes);
  EXPECT_EQ(cost.operators.back().flops, 2 * 2 * kHead);
  EXPECT_EQ(cost.operators[cost.operators.size() - 2].bytes, 2 * 3 * kExpert);
}

TEST(CostOfStep, SaysWhatEachOperatorBelongsTo) {
  const StepCost cost =
      CostOfStep(Small(), {.decode = 2, .context = 6, .logits = 2}, {{.rows = 4, .experts = 3}}, 2);
  std::vector<Part> parts;
  double cache_bytes = 0;
  for (const OperatorCost& of : cost.operators) {
    parts.push_back(of.part);
    cache_bytes += of.cache_bytes;
  }
  const std::vector<Part> expected = {Part::kAttention, Part::kAttention, Part::kAttention,
                                      Part::kDense,     Part::kAttention, Part::kAttention,
                                      Part::kAttention, Part::kGate,      Part::kShared,
                                      Part::kRouted,    Part::kHead};
  EXPECT_EQ(parts, expected);
  EXPECT_EQ(cache_bytes, 2 * 2 * 2 * 6 * 9);  // bytes, layers, rows, positions, R + rope
  EXPECT_EQ(cost.operators[3].layer, 0);
  EXPECT_EQ(cost.operators[9].layer, 1);
}

TEST(FloorSeconds, AddsWhatBindsEachOperator) {
  const StepCost cost = {.flops = 110, .bytes = 60, .operators = {{100, 10}, {10, 50}}};
  EXPECT_EQ(FloorSeconds(cost, /*read_bytes_per_s=*/5, /*product_flops_per_s=*/20), 5 + 10);
  EXPECT_EQ(FloorSeconds(cost, 1, 20), 10 + 50);
}

TEST(ParameterCount, MatchesThePublishedCheckpoint) {
  EXPECT_EQ(ParameterCount(V2LiteConfig()), 15706484224);
}

TEST(ParameterCount, IsTheAttentionHalfAndTheExperts) {
  EXPECT_EQ(ExpertParameterCount(V2LiteConfig()), 26 * 3 * 2048 * 1408);
  // Attention, dense layer, shared experts, gates and norms, embeddings and head.
  EXPECT_EQ(AttentionHalfParameterCount(V2LiteConfig()), 15706484224 - 64 * 26 * 3 * 2048 * 1408LL);
}

TEST(ParameterCount, TiedHeadsCountOnce) {
  ModelConfig config = Small();
  const std::int64_t separate = ParameterCount(config);
  config.tie_word_embeddings = true;
  EXPECT_EQ(separate - ParameterCount(config), 1000);
}

}  // namespace
}  // namespace sextant::cli
