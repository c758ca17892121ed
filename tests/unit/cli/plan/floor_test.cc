#include "cli/plan/floor.h"

#include <gtest/gtest.h>

#include "cli/plan/routing.h"
#include "tests/support/v2_lite.h"
#include "tests/unit/cli/model_shapes.h"

namespace sextant::cli {
namespace {

constexpr double kNoLimit = 1e300;

Cluster One(const ModelConfig& config, double reads, double products) {
  return {.card = {.read_bytes_per_s = reads, .product_flops_per_s = products},
          .ranks = {{.attention = true, .experts = config.n_routed_experts}}};
}

Cluster Spread(const ModelConfig& config, const RankCounts& counts) {
  RankCounts with_experts = counts;
  with_experts.experts = config.n_routed_experts;
  return {.card = FindCard("h100").value(),
          .form = counts.form,
          .ranks = MakeRanks(with_experts),
          .gpus_per_node = counts.gpus_per_node,
          .network_bytes_per_s = 50e9,
          .hop_s = 1e-5};
}

std::vector<StepRows> Decode(std::int64_t each, std::int64_t ranks, std::int64_t context) {
  return std::vector<StepRows>(static_cast<std::size_t>(ranks),
                               StepRows{.decode = each, .context = context, .logits = each});
}

TEST(FloorOfStep, OfOneGpuIsThatOfTheBench) {
  for (const std::int64_t batch : {1, 7, 64}) {
    const StepRows rows = {.decode = batch, .context = 300, .logits = batch};
    const Routing routing = {.experts = 64, .chosen = 6};
    const auto all = static_cast<double>(batch);
    const std::vector<ExpertLoad> loads(
        26, {.rows = 6 * all, .experts = ExpectedExperts(routing, 64, all)});
    const double expected = FloorSeconds(CostOfStep(V2LiteConfig(), rows, loads, 2), 5e10, 5e11);
    const FloorParts floor = FloorOfStep(V2LiteConfig(), One(V2LiteConfig(), 5e10, 5e11), {rows});
    EXPECT_NEAR(floor.total_s(), expected, 1e-9 * expected) << batch;
  }
}

// The weights that a step reads under uniform routing, 4.90, 17.9, 29.8 and 31.0 GB, over the
// bandwidths of an A100 with 40 GB and of an H200, as worked out by hand from the shapes.
TEST(FloorOfStep, ReadsTheWeightsThatWereWorkedOut) {
  const std::vector<std::int64_t> batches = {1, 8, 32, 64};
  const std::vector<double> a100_ms = {3.15, 11.5, 19.1, 19.9};
  const std::vector<double> h200_ms = {1.02, 3.73, 6.20, 6.45};
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const std::vector<StepRows> rows = Decode(batches[i], 1, 0);
    EXPECT_NEAR(
        FloorOfStep(V2LiteConfig(), One(V2LiteConfig(), 1.555e12, kNoLimit), rows).total_s() * 1e3,
        a100_ms[i], 0.06);
    EXPECT_NEAR(
        FloorOfStep(V2LiteConfig(), One(V2LiteConfig(), 4.8e12, kNoLimit), rows).total_s() * 1e3,
        h200_ms[i], 0.02);
  }
}

TEST(FloorOfStep, SplitsReadsByWhatIsRead) {
  const FloorParts without = FloorOfStep(Small(), One(Small(), 100, kNoLimit), Decode(2, 1, 0));
  const FloorParts floor = FloorOfStep(Small(), One(Small(), 100, kNoLimit), Decode(2, 1, 6));
  // bf16, layers, rows, positions, R + rope.
  EXPECT_NEAR(floor.cache_s, 2.0 * 2 * 2 * 6 * 9 / 100, 1e-9);
  EXPECT_NEAR(floor.weights_s, without.weights_s, 1e-9);
  EXPECT_EQ(floor.products_s + floor.exchange_s + floor.hops_s, 0);
  EXPECT_EQ(floor.BoundBy(), "weights");
}

TEST(FloorOfStep, IsAllProductsWhereReadingIsFree) {
  const std::vector<StepRows> rows = {{.prompt = 5, .logits = 1}};
  const FloorParts floor = FloorOfStep(Small(), One(Small(), kNoLimit, 1000), rows);
  // The last layer is the one with experts: one row, two of them.
  const double flops = CostOfStep(Small(), rows[0], {{.rows = 2, .experts = 2}}, 2).flops;
  EXPECT_NEAR(floor.products_s, flops / 1000, 1e-9);
  EXPECT_EQ(floor.weights_s + floor.cache_s, 0);
  EXPECT_EQ(floor.BoundBy(), "products");
}

// Small() has one MoE layer, whose shared expert is 3 * 10 * 11 bf16 values: 660 bytes.
TEST(FloorOfStep, SharedExpertsHideTheWayOut) {
  Cluster cluster = Spread(Small(), {.form = Form::kColocated, .gpus = 2, .gpus_per_node = 2});
  cluster.card = {
      .read_bytes_per_s = 660, .product_flops_per_s = kNoLimit, .link_bytes_per_s = kNoLimit};
  const auto seconds = [&cluster](double hop_s) {
    cluster.hop_s = hop_s;
    return FloorOfStep(Small(), cluster, Decode(1, 2, 4)).total_s();
  };
  const double without = seconds(0);
  EXPECT_NEAR(seconds(0.25) - without, 0.25, 1e-9);    // out is hidden, back is not
  EXPECT_NEAR(seconds(4) - without, 4 + 4 - 1, 1e-9);  // the shared expert hides one second
}

TEST(FloorOfStep, ApartHidesTheSharedExpertsBehindTheWholeExchange) {
  Cluster cluster =
      Spread(Small(), {.form = Form::kApart, .gpus = 2, .gpus_per_node = 2, .attention = 1});
  cluster.card = {
      .read_bytes_per_s = 660, .product_flops_per_s = kNoLimit, .link_bytes_per_s = kNoLimit};
  const std::vector<StepRows> rows = {{.decode = 1, .context = 4, .logits = 1}, {}};
  const auto seconds = [&](double hop_s) {
    cluster.hop_s = hop_s;
    return FloorOfStep(Small(), cluster, rows).total_s();
  };
  // Two experts of 660 bytes take longer than the shared one, so that every hop shows.
  EXPECT_NEAR(seconds(0.5) - seconds(0), 1, 1e-9);
  Cluster one = One(Small(), 660, kNoLimit);
  EXPECT_NEAR(FloorOfStep(Small(), one, {rows[0]}).total_s() - seconds(0), 1, 1e-9);
}

TEST(FloorOfStep, MoreOfEverythingNeverTakesLonger) {
  const Cluster base =
      Spread(V2LiteConfig(), {.form = Form::kColocated, .gpus = 16, .gpus_per_node = 8});
  for (const std::int64_t each : {1, 4, 64}) {
    const std::vector<StepRows> rows = Decode(each, 16, 2048);
    const double seconds = FloorOfStep(V2LiteConfig(), base, rows).total_s();
    Cluster better = base;
    better.card.read_bytes_per_s *= 2;
    better.card.product_flops_per_s *= 2;
    EXPECT_LT(FloorOfStep(V2LiteConfig(), better, rows).total_s(), seconds);
    better = base;
    better.network_bytes_per_s *= 2;
    EXPECT_LE(FloorOfStep(V2LiteConfig(), better, rows).total_s(), seconds);
    better = base;
    better.hop_s = 0;
    EXPECT_LT(FloorOfStep(V2LiteConfig(), better, rows).total_s(), seconds);
  }
}

TEST(FloorOfStep, MoreRowsTakeLongerAndGiveMore) {
  for (const Form form : {Form::kColocated, Form::kApart}) {
    const Cluster cluster =
        Spread(V2LiteConfig(), {.form = form, .gpus = 8, .gpus_per_node = 8, .attention = 2});
    double before = 0;
    double rate_before = 0;
    for (const std::int64_t each : {1, 2, 8, 32, 128}) {
      std::vector<StepRows> rows;
      for (const Rank& rank : cluster.ranks) {
        rows.push_back(rank.attention ? Decode(each, 1, 1024)[0] : StepRows{});
      }
      const double seconds = FloorOfStep(V2LiteConfig(), cluster, rows).total_s();
      EXPECT_GT(seconds, before) << Name(form) << each;
      EXPECT_GT(static_cast<double>(each) / seconds, rate_before) << Name(form) << each;
      before = seconds;
      rate_before = static_cast<double>(each) / seconds;
    }
  }
}

TEST(FloorOfStep, TheBusiestRankBinds) {
  const Cluster cluster =
      Spread(V2LiteConfig(), {.form = Form::kColocated, .gpus = 2, .gpus_per_node = 2});
  const std::vector<StepRows> even = Decode(64, 2, 4096);
  std::vector<StepRows> uneven = Decode(128, 2, 4096);
  uneven[1] = {};
  EXPECT_GT(FloorOfStep(V2LiteConfig(), cluster, uneven).total_s(),
            FloorOfStep(V2LiteConfig(), cluster, even).total_s());
}

}  // namespace
}  // namespace sextant::cli
