#include "cli/plan/exchange_time.h"

#include <gtest/gtest.h>

#include "tests/unit/cli/model_shapes.h"

namespace sextant::cli {
namespace {

// Rows of 8 bf16 values, 16 bytes; 2 of 4 experts a token.
ModelConfig Tiny() {
  ModelConfig config = Small();
  config.hidden_size = 8;
  config.n_routed_experts = 4;
  config.num_experts_per_tok = 2;
  return config;
}

Cluster Of(Form form, std::vector<Rank> ranks) {
  return {.card = {.link_bytes_per_s = 100},
          .form = form,
          .ranks = std::move(ranks),
          .network_bytes_per_s = 20};
}

// A holder of two is missed by 1 of the 6 pairs, and gives 2 * 2/4 = 1 output a row on average.
constexpr double kHit = 5.0 / 6;

TEST(TimeOfExchange, RowsThatStayDoNotTravel) {
  const Cluster one = Of(Form::kOne, {{.attention = true, .experts = 4}});
  const ExchangeTime time = TimeOfExchange(Tiny(), one, {5});
  EXPECT_EQ(time.out_s, 0);
  EXPECT_EQ(time.back_s, 0);
}

TEST(TimeOfExchange, ARowTravelsOnceAndEveryOutputOnce) {
  const Cluster cluster =
      Of(Form::kColocated, {{.attention = true, .experts = 2}, {.attention = true, .experts = 2}});
  const ExchangeTime time = TimeOfExchange(Tiny(), cluster, {3, 1});
  EXPECT_NEAR(time.out_s, 3 * kHit * 16 / 100, 1e-12);  // rank 0 sends most
  EXPECT_NEAR(time.back_s, 3 * 1 * 16 / 100.0, 1e-12);  // and gets most back
}

TEST(TimeOfExchange, TheSenderBindsWhereItHasManyReceivers) {
  const Cluster cluster = Of(Form::kApart, {{.attention = true}, {.experts = 2}, {.experts = 2}});
  const ExchangeTime time = TimeOfExchange(Tiny(), cluster, {3, 0, 0});
  EXPECT_NEAR(time.out_s, 2 * 3 * kHit * 16 / 100, 1e-12);
  EXPECT_NEAR(time.back_s, 3 * 2 * 16 / 100.0, 1e-12);  // K outputs for each row
}

TEST(TimeOfExchange, OtherNodesAreReachedOverTheNetwork) {
  const Cluster cluster =
      Of(Form::kApart, {{.attention = true}, {.experts = 2}, {.node = 1, .experts = 2}});
  const ExchangeTime time = TimeOfExchange(Tiny(), cluster, {3, 0, 0});
  EXPECT_NEAR(time.out_s, 3 * kHit * 16 / 20, 1e-12);  // the link's part takes a fifth of that
  EXPECT_NEAR(time.back_s, 3 * 1 * 16 / 20.0, 1e-12);
}

TEST(TimeOfExchange, AnIdleClusterTakesNone) {
  const Cluster cluster =
      Of(Form::kColocated, {{.attention = true, .experts = 2}, {.attention = true, .experts = 2}});
  EXPECT_EQ(TimeOfExchange(Tiny(), cluster, {0, 0}).out_s, 0);
}

}  // namespace
}  // namespace sextant::cli
