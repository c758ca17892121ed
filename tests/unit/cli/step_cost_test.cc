#include "cli/step_cost.h"

#include <gtest/gtest.h>

#include <vector>

namespace sextant::cli {
namespace {

// Two layers, the second with experts, every size another number.
ModelConfig Small() {
  ModelConfig config;
  config.hidden_size = 10;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 3;
  config.vocab_size = 100;
  config.intermediate_size = 21;
  config.kv_lora_rank = 7;
  config.qk_nope_head_dim = 4;
  config.qk_rope_head_dim = 2;
  config.v_head_dim = 5;
  config.n_routed_experts = 8;
  config.n_shared_experts = 1;
  config.num_experts_per_tok = 2;
  config.moe_intermediate_size = 11;
  config.first_k_dense_replace = 1;
  return config;
}

// What one row multiplies with in each part of a layer of Small().
constexpr double kQuery = 10 * 18;      // H, heads * (nope + rope)
constexpr double kLatent = 10 * 9;      // H, R + rope
constexpr double kExpand = 7 * 27;      // R, heads * (nope + v)
constexpr double kOutput = 15 * 10;     // heads * v, H
constexpr double kDense = 3 * 10 * 21;  // gate, up and down
constexpr double kGate = 10 * 8;
constexpr double kExpert = 3 * 10 * 11;
constexpr double kHead = 100 * 10;

ModelConfig V2Lite() {
  ModelConfig config;
  config.hidden_size = 2048;
  config.num_hidden_layers = 27;
  config.num_attention_heads = 16;
  config.vocab_size = 102400;
  config.intermediate_size = 10944;
  config.kv_lora_rank = 512;
  config.qk_nope_head_dim = 128;
  config.qk_rope_head_dim = 64;
  config.v_head_dim = 128;
  config.n_routed_experts = 64;
  config.n_shared_experts = 2;
  config.num_experts_per_tok = 6;
  config.moe_intermediate_size = 1408;
  config.first_k_dense_replace = 1;
  return config;
}

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
  const StepCost empty = CostOfStep(V2Lite(), {.decode = 1, .logits = 1}, load, 2);
  const StepCost longer =
      CostOfStep(V2Lite(), {.decode = 1, .context = 1000, .logits = 1}, load, 2);
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

TEST(FloorSeconds, AddsWhatBindsEachOperator) {
  const StepCost cost = {.flops = 110, .bytes = 60, .operators = {{100, 10}, {10, 50}}};
  EXPECT_EQ(FloorSeconds(cost, /*read_bytes_per_s=*/5, /*product_flops_per_s=*/20), 5 + 10);
  EXPECT_EQ(FloorSeconds(cost, 1, 20), 10 + 50);
}

TEST(ParameterCount, MatchesThePublishedCheckpoint) {
  EXPECT_EQ(ParameterCount(V2Lite()), 15706484224);
}

TEST(ParameterCount, TiedHeadsCountOnce) {
  ModelConfig config = Small();
  const std::int64_t separate = ParameterCount(config);
  config.tie_word_embeddings = true;
  EXPECT_EQ(separate - ParameterCount(config), 1000);
}

}  // namespace
}  // namespace sextant::cli
