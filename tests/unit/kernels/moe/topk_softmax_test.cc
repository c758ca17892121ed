#include "kernels/moe/topk_softmax.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace sextant {
namespace {

using ::testing::ElementsAre;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Chosen {
  std::vector<std::int32_t> ids;
  std::vector<float> weights;
};

struct Gate {
  std::int64_t experts = 0;
  std::int64_t chosen = 0;
  std::int64_t groups = 1;
  std::int64_t kept_groups = 1;
  bool normalise = false;
  float scale = 1.0F;
};

class TopkSoftmaxTest : public ::testing::TestWithParam<Backend> {
 protected:
  Chosen Choose(const Gate& gate, std::vector<float> logits, Backend backend) {
    const auto tokens = static_cast<std::int64_t>(logits.size()) / gate.experts;
    const auto slots = static_cast<std::size_t>(tokens * gate.chosen);
    Chosen out{std::vector<std::int32_t>(slots, -1), std::vector<float>(slots, -1.0F)};
    Stream stream(backend, pool_);
    const absl::Status status =
        TopkSoftmax(stream, {.gate_logits = {logits.data(), tokens, gate.experts},
                             .groups = gate.groups,
                             .kept_groups = gate.kept_groups,
                             .normalise = gate.normalise,
                             .scale = gate.scale,
                             .weights = {out.weights.data(), tokens, gate.chosen},
                             .expert_ids = {out.ids.data(), tokens, gate.chosen}});
    EXPECT_TRUE(status.ok()) << status;
    return out;
  }
  Chosen Choose(const Gate& gate, std::vector<float> logits) {
    return Choose(gate, std::move(logits), GetParam());
  }

  ThreadPool pool_{2};
};

std::vector<float> RandomLogits(std::int64_t count, float spread, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, spread);
  std::vector<float> logits(static_cast<std::size_t>(count));
  for (float& logit : logits) logit = normal(random);
  return logits;
}

// Relative: E additions and the exponential's 2 ulp in each sum, and the rounding of a logit's
// distance from the heaviest, which the exponential turns into a relative error.
double Tolerance(const Gate& gate, double range) {
  const double terms = static_cast<double>(gate.experts + 2 * gate.chosen) + 2 * range + 16;
  return terms * 0x1p-24;
}

TEST_P(TopkSoftmaxTest, AgreesWithTheReferenceOverAwkwardSizes) {
  const std::vector<Gate> gates = {
      {.experts = 1, .chosen = 1},
      {.experts = 1, .chosen = 1, .normalise = true, .scale = 3.0F},
      {.experts = 2, .chosen = 2, .normalise = true},
      {.experts = 15, .chosen = 6},
      {.experts = 16, .chosen = 16},
      {.experts = 17, .chosen = 17, .normalise = true},
      {.experts = 64, .chosen = 6},
      {.experts = 64, .chosen = 6, .groups = 8, .kept_groups = 3, .scale = 16.0F},
      {.experts = 160, .chosen = 6, .groups = 8, .kept_groups = 3, .scale = 16.0F},
      {.experts = 16, .chosen = 6, .groups = 4, .kept_groups = 1, .normalise = true},
      {.experts = 256, .chosen = 8, .groups = 8, .kept_groups = 8},
      {.experts = 600, .chosen = 40},
  };
  for (const Gate& gate : gates) {
    for (const float spread : {0.1F, 1.0F, 8.0F}) {
      SCOPED_TRACE(testing::Message()
                   << gate.experts << " experts, " << gate.chosen << " chosen, spread " << spread);
      const std::vector<float> logits = RandomLogits(65 * gate.experts, spread, 7);
      const Chosen want = Choose(gate, logits, Backend::kReference);
      const Chosen got = Choose(gate, logits);
      EXPECT_EQ(got.ids, want.ids);
      for (std::size_t i = 0; i < want.weights.size(); ++i) {
        ASSERT_NEAR(got.weights[i], want.weights[i],
                    static_cast<double>(want.weights[i]) *
                        Tolerance(gate, 10.0 * static_cast<double>(spread)));
      }
    }
  }
}

TEST_P(TopkSoftmaxTest, WeightsAreTheSoftmaxOverAllExperts) {
  const std::vector<float> logits = {std::log(1.0F), std::log(5.0F), std::log(2.0F),
                                     std::log(8.0F)};
  const Chosen got = Choose({.experts = 4, .chosen = 2, .scale = 4.0F}, logits);
  EXPECT_THAT(got.ids, ElementsAre(3, 1));
  EXPECT_NEAR(got.weights[0], 4 * 8.0 / 16, 1e-6);
  EXPECT_NEAR(got.weights[1], 4 * 5.0 / 16, 1e-6);
}

TEST_P(TopkSoftmaxTest, NormalisedWeightsAreNotScaled) {
  const std::vector<float> logits = {std::log(1.0F), std::log(5.0F), std::log(2.0F),
                                     std::log(8.0F)};
  const Chosen got = Choose({.experts = 4, .chosen = 2, .normalise = true, .scale = 16.0F}, logits);
  EXPECT_NEAR(got.weights[0], 8.0 / 13, 1e-6);
  EXPECT_NEAR(got.weights[1], 5.0 / 13, 1e-6);
}

TEST_P(TopkSoftmaxTest, TiesGoToLowerExpert) {
  std::vector<float> logits(64, 0.5F);
  EXPECT_THAT(Choose({.experts = 64, .chosen = 3}, logits).ids, ElementsAre(0, 1, 2));
  logits[40] = logits[9] = 1.0F;
  EXPECT_THAT(Choose({.experts = 64, .chosen = 4}, logits).ids, ElementsAre(9, 40, 0, 1));
  std::vector<float> zeros(8, 0.0F);
  zeros[0] = zeros[1] = -0.0F;
  EXPECT_THAT(Choose({.experts = 8, .chosen = 3}, zeros).ids, ElementsAre(0, 1, 2));
}

TEST_P(TopkSoftmaxTest, NeighbouringLogitsAreToldApartWhereTheirScoresRoundEqual) {
  std::vector<float> logits(32, -3.0F);
  logits[5] = 1.0F;
  logits[20] = std::nextafter(1.0F, 2.0F);
  EXPECT_THAT(Choose({.experts = 32, .chosen = 2}, logits).ids, ElementsAre(20, 5));
}

TEST_P(TopkSoftmaxTest, TiedGroupsGoToTheLowerOne) {
  std::vector<float> logits(16, 0.0F);
  logits[13] = 2.0F;
  const Chosen got = Choose({.experts = 16, .chosen = 5, .groups = 4, .kept_groups = 2}, logits);
  EXPECT_THAT(got.ids, ElementsAre(13, 0, 1, 2, 3));
}

TEST_P(TopkSoftmaxTest, ExpertsOutsideTheKeptGroupsComeLastById) {
  // Group 2 holds the heaviest expert and only three others; six are asked for.
  std::vector<float> logits(16, -1.0F);
  logits[9] = 3.0F;
  logits[15] = 2.0F;
  const Chosen got = Choose({.experts = 16, .chosen = 6, .groups = 4, .kept_groups = 1}, logits);
  EXPECT_THAT(got.ids, ElementsAre(9, 8, 10, 11, 0, 1));
  EXPECT_GT(got.weights[3], 0.0F);
  EXPECT_EQ(got.weights[4], 0.0F);
  EXPECT_EQ(got.weights[5], 0.0F);
}

TEST_P(TopkSoftmaxTest, ExtremeLogitsStayFinite) {
  std::vector<float> logits(64, -3e38F);
  logits[3] = 3e38F;
  const Chosen got = Choose({.experts = 64, .chosen = 2}, logits);
  EXPECT_THAT(got.ids, ElementsAre(3, 0));
  EXPECT_EQ(got.weights[0], 1.0F);
  EXPECT_EQ(got.weights[1], 0.0F);
}

TEST_P(TopkSoftmaxTest, NanRanksLastAndIdsStayValid) {
  std::vector<float> logits = {kNaN, -std::numeric_limits<float>::infinity(), 1.0F, kNaN};
  EXPECT_THAT(Choose({.experts = 4, .chosen = 4}, logits).ids, ElementsAre(2, 1, 0, 3));
  logits.assign(4, kNaN);
  EXPECT_THAT(Choose({.experts = 4, .chosen = 3, .groups = 2}, logits).ids, ElementsAre(0, 1, 2));
}

TEST_P(TopkSoftmaxTest, ARowsBitsDoNotDependOnTheOthers) {
  const Gate gate = {.experts = 64, .chosen = 6, .groups = 8, .kept_groups = 3};
  const std::vector<float> logits = RandomLogits(512 * gate.experts, 2.0F, 11);
  const Chosen alone = Choose(gate, {logits.begin(), logits.begin() + gate.experts});
  for (const std::int64_t tokens : {2, 7, 64, 512}) {
    const Chosen many = Choose(gate, {logits.begin(), logits.begin() + tokens * gate.experts});
    for (std::size_t k = 0; k < alone.ids.size(); ++k) {
      EXPECT_EQ(many.ids[k], alone.ids[k]);
      EXPECT_EQ(many.weights[k], alone.weights[k]) << tokens << " tokens";
    }
  }
}

TEST(TopkSoftmaxErrorTest, ShapesThatDisagreeAreRefusedAndOutputsUntouched) {
  ThreadPool pool(1);
  Stream stream(Backend::kReference, pool);
  std::vector<float> logits(32, 0.0F);
  std::vector<float> weights(64, -1.0F);
  std::vector<std::int32_t> ids(64, -1);
  const TopkSoftmaxArgs good = {.gate_logits = {logits.data(), 2, 16},
                                .weights = {weights.data(), 2, 4},
                                .expert_ids = {ids.data(), 2, 4}};
  TopkSoftmaxArgs args = good;
  args.weights.rows = 1;
  EXPECT_EQ(TopkSoftmax(stream, args).code(), absl::StatusCode::kInvalidArgument);
  args = good;
  args.weights.cols = args.expert_ids.cols = 17;
  EXPECT_EQ(TopkSoftmax(stream, args).code(), absl::StatusCode::kInvalidArgument);
  args = good;
  args.groups = 3;
  EXPECT_EQ(TopkSoftmax(stream, args).code(), absl::StatusCode::kInvalidArgument);
  args = good;
  args.kept_groups = 2;
  EXPECT_EQ(TopkSoftmax(stream, args).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(ids, testing::Each(-1));
  EXPECT_TRUE(TopkSoftmax(stream, good).ok());
}

INSTANTIATE_TEST_SUITE_P(Backends, TopkSoftmaxTest, testing::ValuesIn(SupportedBackends()),
                         [](const auto& backend) {
                           std::string name = Name(backend.param);
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace sextant
