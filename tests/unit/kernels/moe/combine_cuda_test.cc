#include "kernels/moe/combine_cuda.h"

#include <cmath>
#include <random>
#include <vector>

#include "common/device/stream.h"
#include "kernels/moe/combine.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/values.h"

namespace sextant {
namespace {

struct Layer {
  std::int64_t rows;
  std::int32_t chosen;
  std::int64_t hidden;
  std::vector<Bf16> expert_out;
  std::vector<std::int32_t> places;
  std::vector<float> weights;
  std::vector<Bf16> shared_out;
  std::vector<Bf16> residual;

  Layer(std::int64_t rows_in, std::int32_t chosen_in, std::int64_t hidden_in)
      : rows(rows_in),
        chosen(chosen_in),
        hidden(hidden_in),
        expert_out(NormalBf16(rows * chosen * hidden, 1.0, 1)),
        shared_out(NormalBf16(rows * hidden, 1.0, 2)),
        residual(NormalBf16(rows * hidden, 3.0, 3)) {
    std::mt19937 generator(4);
    std::uniform_real_distribution<float> uniform(0.0F, 0.5F);
    for (std::int32_t i = 0; i < rows * chosen; ++i) {
      places.push_back(i * 7 % static_cast<std::int32_t>(rows * chosen));
      weights.push_back(uniform(generator));
    }
  }
};

// Rows [first, first + count).
std::vector<Bf16> Combined(const Layer& layer, bool shared, std::int64_t first,
                           std::int64_t count) {
  const DeviceArray<Bf16> expert_out(layer.expert_out);
  const DeviceArray<std::int32_t> places(RowsOf(layer.places, first, count, layer.chosen));
  const DeviceArray<float> weights(RowsOf(layer.weights, first, count, layer.chosen));
  const DeviceArray<Bf16> shared_out(RowsOf(layer.shared_out, first, count, layer.hidden));
  const DeviceArray<Bf16> residual(RowsOf(layer.residual, first, count, layer.hidden));
  EXPECT_TRUE(Ran(CombineCuda({}, {.expert_out = expert_out.data(),
                                   .places = places.data(),
                                   .weights = weights.data(),
                                   .shared_out = shared ? shared_out.data() : nullptr,
                                   .residual = residual.data(),
                                   .rows = count,
                                   .chosen = layer.chosen,
                                   .hidden = layer.hidden})));
  return residual.Read();
}

std::vector<float> Expected(const Layer& layer, bool shared) {
  ThreadPool pool(1);
  Stream oracle(Backend::kReference, pool);
  std::vector<float> expert_out = Widened(layer.expert_out);
  std::vector<float> shared_out = Widened(layer.shared_out);
  std::vector<float> residual = Widened(layer.residual);
  EXPECT_TRUE(
      Combine(oracle, {.expert_out = {expert_out.data(), layer.rows * layer.chosen, layer.hidden},
                       .output_row = layer.places,
                       .weights = {layer.weights.data(), layer.rows, layer.chosen},
                       .shared_out = {shared_out.data(), shared ? layer.rows : 0, layer.hidden},
                       .residual = {residual.data(), layer.rows, layer.hidden}})
          .ok());
  return residual;
}

class CombineCudaTest : public DeviceTest {};

TEST_F(CombineCudaTest, AgreesWithTheReference) {
  for (const std::int64_t hidden : {8, 1024, 1032, 2048}) {
    for (const std::int32_t chosen : {1, 6}) {
      for (const bool shared : {false, true}) {
        const Layer layer(5, chosen, hidden);
        const std::vector<Bf16> actual = Combined(layer, shared, 0, layer.rows);
        const std::vector<float> expected = Expected(layer, shared);
        std::size_t unequal = 0;
        for (std::size_t i = 0; i < actual.size(); ++i) {
          // Sums stay below 16 here, so that each of three roundings is by 2^-5 at most; one may
          // fall on the other side where the f32 sum differs from the exact one.
          ASSERT_NEAR(ToFloat(actual[i]), expected[i], std::ldexp(1.0, -4)) << i;
          if (ToFloat(actual[i]) != expected[i]) ++unequal;
        }
        EXPECT_LE(unequal, actual.size() / 200 + 1);
      }
    }
  }
}

TEST_F(CombineCudaTest, RowsHaveTheSameBytesAloneAndInABatch) {
  const Layer layer(30, 6, 1032);
  const std::vector<Bf16> together = Combined(layer, true, 0, 30);
  for (std::int64_t t = 0; t < 30; t += 7) {
    EXPECT_EQ(Combined(layer, true, t, 1), RowsOf(together, t, 1, layer.hidden));
  }
}

TEST_F(CombineCudaTest, RefusesWhatDoesNotFit) {
  const DeviceArray<Bf16> memory(64, ToBf16(1.0F));
  const auto error = [&](const Bf16* expert_out, std::int32_t chosen, std::int64_t hidden) {
    return CombineCuda({}, {.expert_out = expert_out,
                            .residual = memory.data(),
                            .chosen = chosen,
                            .hidden = hidden})
        .error;
  };
  EXPECT_EQ(error(memory.data(), 1, 16), DeviceError::kNone);
  EXPECT_EQ(error(memory.data(), 1, 12), DeviceError::kInvalidArgument);
  EXPECT_EQ(error(memory.data(), 0, 16), DeviceError::kInvalidArgument);
  EXPECT_EQ(error(memory.data() + 1, 1, 16), DeviceError::kInvalidArgument);
}

}  // namespace
}  // namespace sextant
