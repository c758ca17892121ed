#include "kernels/moe/topk_softmax_cuda.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "common/device/stream.h"
#include "kernels/moe/topk_softmax.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/values.h"

namespace sextant {
namespace {

struct Options {
  std::int32_t experts;
  std::int32_t chosen;
  std::int32_t groups = 1;
  std::int32_t kept_groups = 1;
  bool normalise = false;
  float scale = 1.0F;
};

struct Choice {
  std::vector<float> weights;
  std::vector<std::int32_t> ids;
};

Choice Choose(const std::vector<float>& logits, const Options& options) {
  const auto rows = static_cast<std::int64_t>(logits.size()) / options.experts;
  const DeviceArray<float> on_device(logits);
  const DeviceArray<float> weights(static_cast<std::size_t>(rows * options.chosen), -7.0F);
  const DeviceArray<std::int32_t> ids(weights.size(), -7);
  EXPECT_TRUE(Ran(TopkSoftmaxCuda({}, {.gate_logits = on_device.data(),
                                       .rows = rows,
                                       .experts = options.experts,
                                       .chosen = options.chosen,
                                       .groups = options.groups,
                                       .kept_groups = options.kept_groups,
                                       .normalise = options.normalise,
                                       .scale = options.scale,
                                       .weights = weights.data(),
                                       .expert_ids = ids.data()})));
  return {weights.Read(), ids.Read()};
}

Choice Expected(const std::vector<float>& logits, const Options& options) {
  ThreadPool pool(1);
  Stream oracle(Backend::kReference, pool);
  const auto rows = static_cast<std::int64_t>(logits.size()) / options.experts;
  Choice choice{std::vector<float>(static_cast<std::size_t>(rows * options.chosen)),
                std::vector<std::int32_t>(static_cast<std::size_t>(rows * options.chosen))};
  EXPECT_TRUE(TopkSoftmax(oracle, {.gate_logits = {logits.data(), rows, options.experts},
                                   .groups = options.groups,
                                   .kept_groups = options.kept_groups,
                                   .normalise = options.normalise,
                                   .scale = options.scale,
                                   .weights = {choice.weights.data(), rows, options.chosen},
                                   .expert_ids = {choice.ids.data(), rows, options.chosen}})
                  .ok());
  return choice;
}

// A few of the logits are equal, so that ties occur.
std::vector<float> Logits(std::int64_t rows, std::int32_t experts, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, 2.0F);
  std::vector<float> logits(static_cast<std::size_t>(rows * experts));
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const float value = normal(generator);
    logits[i] = i % 3 == 0 ? std::round(value) : value;
  }
  return logits;
}

class TopkSoftmaxCudaTest : public DeviceTest {
 protected:
  static void ExpectAgreement(const std::vector<float>& logits, const Options& options) {
    SCOPED_TRACE(testing::Message()
                 << options.chosen << " of " << options.experts << ", " << options.kept_groups
                 << " of " << options.groups << " groups, normalise " << options.normalise);
    const Choice choice = Choose(logits, options);
    const Choice expected = Expected(logits, options);
    EXPECT_EQ(choice.ids, expected.ids);
    // Two exponentials of 2 ulp whose argument is off by half an ulp of a number up to 20, the sum
    // of a lane's experts and five more, a division, and with `normalise` a sum of K and another.
    const double terms = 2.0 * (2.0 + 10.0) + 8.0 + 5.0 + options.chosen + 3.0;
    for (std::size_t i = 0; i < choice.weights.size(); ++i) {
      ASSERT_NEAR(choice.weights[i], expected.weights[i],
                  static_cast<double>(expected.weights[i]) * terms * std::ldexp(1.0, -24))
          << i;
    }
  }
};

TEST_F(TopkSoftmaxCudaTest, AgreesWithTheReference) {
  for (const std::int32_t experts : {1, 2, 31, 32, 33, 64, 160, 256}) {
    for (const std::int32_t chosen : {1, 2, 6, 32}) {
      if (chosen > experts) continue;
      const std::vector<float> logits = Logits(9, experts, 1);
      ExpectAgreement(logits, {.experts = experts, .chosen = chosen});
      ExpectAgreement(logits,
                      {.experts = experts, .chosen = chosen, .normalise = true, .scale = 3.0F});
    }
  }
}

TEST_F(TopkSoftmaxCudaTest, GroupsLimitTheChoice) {
  const std::vector<float> logits = Logits(20, 160, 2);
  ExpectAgreement(logits,
                  {.experts = 160, .chosen = 6, .groups = 8, .kept_groups = 3, .scale = 16.0F});
  ExpectAgreement(logits, {.experts = 160, .chosen = 20, .groups = 32, .kept_groups = 2});
  ExpectAgreement(Logits(20, 12, 3), {.experts = 12, .chosen = 7, .groups = 4, .kept_groups = 1});
}

TEST_F(TopkSoftmaxCudaTest, TiesGoToTheLowerExpert) {
  const Choice choice = Choose(std::vector<float>(64, 1.5F), {.experts = 64, .chosen = 6});
  EXPECT_EQ(choice.ids, (std::vector<std::int32_t>{0, 1, 2, 3, 4, 5}));
  const Choice zeros = Choose({-0.0F, 0.0F, -1.0F}, {.experts = 3, .chosen = 2});
  EXPECT_EQ(zeros.ids, (std::vector<std::int32_t>{0, 1}));
}

TEST_F(TopkSoftmaxCudaTest, ANanRanksBelowEveryNumber) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const Choice choice = Choose({kNan, -kInf, kNan, 2.0F}, {.experts = 4, .chosen = 4});
  EXPECT_EQ(choice.ids, (std::vector<std::int32_t>{3, 1, 0, 2}));
}

TEST_F(TopkSoftmaxCudaTest, RowsHaveTheSameBytesAloneAndInABatch) {
  const Options options{.experts = 64, .chosen = 6};
  const std::vector<float> logits = Logits(64, 64, 4);
  const Choice together = Choose(logits, options);
  for (std::int64_t t = 0; t < 64; t += 7) {
    const Choice alone = Choose(RowsOf(logits, t, 1, 64), options);
    EXPECT_EQ(alone.weights, RowsOf(together.weights, t, 1, 6));
    EXPECT_EQ(alone.ids, RowsOf(together.ids, t, 1, 6));
  }
}

TEST_F(TopkSoftmaxCudaTest, RefusesWhatDoesNotFit) {
  const auto error = [](std::int32_t experts, std::int32_t chosen, std::int32_t groups,
                        std::int32_t kept) {
    return TopkSoftmaxCuda(
               {}, {.experts = experts, .chosen = chosen, .groups = groups, .kept_groups = kept})
        .error;
  };
  EXPECT_EQ(error(64, 6, 1, 1), DeviceError::kNone);
  EXPECT_EQ(error(257, 6, 1, 1), DeviceError::kInvalidArgument);
  EXPECT_EQ(error(64, 33, 1, 1), DeviceError::kInvalidArgument);
  EXPECT_EQ(error(4, 5, 1, 1), DeviceError::kInvalidArgument);
  EXPECT_EQ(error(64, 6, 5, 1), DeviceError::kInvalidArgument);
  EXPECT_EQ(error(64, 6, 4, 5), DeviceError::kInvalidArgument);
}

}  // namespace
}  // namespace sextant
