#include "kernels/norm/rms_norm.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "common/device/backend.h"
#include "common/device/stream.h"
#include "common/device/thread_pool.h"
#include "common/tensor/float_types.h"
#include "gtest/gtest.h"

namespace sextant {
namespace {

std::vector<float> Random(std::int64_t count, std::uint32_t seed, bool round) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.1F, 1.5F);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) {
    value = round ? RoundToBf16(normal(generator)) : normal(generator);
  }
  return values;
}

std::vector<Bf16> ToBf16(const std::vector<float>& values) {
  std::vector<Bf16> result;
  for (const float value : values) result.push_back(sextant::ToBf16(value));
  return result;
}

MatrixView<float> Matrix(std::vector<float>& values, std::int64_t cols) {
  return {values.data(), static_cast<std::int64_t>(values.size()) / cols, cols};
}

// The relative error that f32 arithmetic may have against double: the sum of squares gathers
// cols / lanes + a few roundings, its root halves them, and the rest are single operations.
double Tolerance(std::int64_t cols, Precision precision) {
  const double f32 = (static_cast<double>(cols) / 16.0 + 12.0) * std::ldexp(1.0, -24);
  // In bf16 a value near a tie may round the other way (2^-7 of itself), and then its product too.
  return precision == Precision::kFp32 ? f32 : std::ldexp(1.0, -6);
}

class RmsNormTest : public testing::TestWithParam<Backend> {};

TEST_P(RmsNormTest, AgreesWithTheReference) {
  ThreadPool pool(2);
  Stream stream(GetParam(), pool);
  Stream oracle(Backend::kReference, pool);
  for (const Precision precision : {Precision::kBf16, Precision::kFp32}) {
    for (const std::int64_t cols : {1, 7, 8, 9, 15, 16, 17, 31, 64, 65, 512, 1536, 2048, 2051}) {
      for (const std::int64_t rows : {0, 1, 5}) {
        std::vector<float> x = Random(rows * cols, 1, precision == Precision::kBf16);
        const std::vector<float> w = Random(cols, 2, true);
        const std::vector<Bf16> w16 = ToBf16(w);
        std::vector<float> y(x.size());
        std::vector<float> expected(x.size());
        for (const DType dtype : {DType::kBf16, DType::kFp32}) {
          RmsNormArgs args;
          args.x = MatrixView<const float>(x.data(), rows, cols);
          args.weight = {.dtype = dtype, .rows = 1, .cols = cols};
          args.weight.data = dtype == DType::kBf16 ? static_cast<const void*>(w16.data())
                                                   : static_cast<const void*>(w.data());
          args.precision = precision;
          args.y = MatrixView<float>(expected.data(), rows, cols);
          ASSERT_TRUE(RmsNorm(oracle, args).ok());
          args.y = MatrixView<float>(y.data(), rows, cols);
          ASSERT_TRUE(RmsNorm(stream, args).ok());
          std::size_t unequal = 0;
          for (std::size_t i = 0; i < y.size(); ++i) {
            ASSERT_NEAR(y[i], expected[i],
                        std::abs(static_cast<double>(expected[i])) * Tolerance(cols, precision))
                << "element " << i << " of " << rows << " rows of " << cols;
            if (y[i] != expected[i]) ++unequal;
          }
          if (precision == Precision::kBf16) {
            EXPECT_LE(unequal, y.size() / 100 + 1) << rows << " rows of " << cols;
          }
        }
      }
    }
  }
}

TEST_P(RmsNormTest, NormalisesToUnitMeanSquare) {
  ThreadPool pool(1);
  Stream stream(GetParam(), pool);
  std::vector<float> x = {3.0F, -4.0F, 0.0F, 0.0F};
  std::vector<float> w(4, 2.0F);
  std::vector<float> y(4);
  ASSERT_TRUE(RmsNorm(stream, {.x = Matrix(x, 4),
                               .weight = {w.data(), DType::kFp32, 1, 4},
                               .eps = 0.0F,
                               .y = Matrix(y, 4),
                               .precision = Precision::kFp32})
                  .ok());
  // mean(x^2) = 25 / 4, so x is divided by 2.5 and doubled.
  EXPECT_FLOAT_EQ(y[0], 2.4F);
  EXPECT_FLOAT_EQ(y[1], -3.2F);
  EXPECT_EQ(y[2], 0.0F);
}

TEST_P(RmsNormTest, AddNormalisesTheRoundedSumAndKeepsIt) {
  ThreadPool pool(2);
  Stream stream(GetParam(), pool);
  for (const std::int64_t cols : {5, 16, 2048, 2049}) {
    std::vector<float> h = Random(3 * cols, 3, true);
    std::vector<float> delta = Random(3 * cols, 4, true);
    std::vector<float> w = Random(cols, 5, true);
    std::vector<float> sum(h.size());
    for (std::size_t i = 0; i < h.size(); ++i) sum[i] = RoundToBf16(h[i] + delta[i]);
    std::vector<float> y(h.size());
    std::vector<float> expected(h.size());
    const WeightView weight{w.data(), DType::kFp32, 1, cols};
    ASSERT_TRUE(AddRmsNorm(stream, {.h = Matrix(h, cols),
                                    .delta = Matrix(delta, cols),
                                    .weight = weight,
                                    .y = Matrix(y, cols)})
                    .ok());
    ASSERT_TRUE(
        RmsNorm(stream, {.x = Matrix(sum, cols), .weight = weight, .y = Matrix(expected, cols)})
            .ok());
    EXPECT_EQ(h, sum);
    EXPECT_EQ(y, expected);
  }
}

TEST_P(RmsNormTest, RowsHaveTheSameBytesAloneInABatchAndOnAnyThreads) {
  constexpr std::int64_t kRows = 40;
  constexpr std::int64_t kCols = 2051;
  std::vector<float> x = Random(kRows * kCols, 6, false);
  std::vector<float> w = Random(kCols, 7, true);
  const WeightView weight{w.data(), DType::kFp32, 1, kCols};
  std::vector<float> alone(x.size());
  ThreadPool one(1);
  Stream single(GetParam(), one);
  for (std::int64_t t = 0; t < kRows; ++t) {
    ASSERT_TRUE(RmsNorm(single, {.x = Matrix(x, kCols).Rows(t, 1),
                                 .weight = weight,
                                 .y = Matrix(alone, kCols).Rows(t, 1),
                                 .precision = Precision::kFp32})
                    .ok());
  }
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    Stream stream(GetParam(), pool);
    std::vector<float> together(x.size());
    ASSERT_TRUE(RmsNorm(stream, {.x = Matrix(x, kCols),
                                 .weight = weight,
                                 .y = Matrix(together, kCols),
                                 .precision = Precision::kFp32})
                    .ok());
    EXPECT_EQ(std::memcmp(together.data(), alone.data(), alone.size() * sizeof(float)), 0)
        << threads << " threads";
  }
}

TEST_P(RmsNormTest, RefusesShapesThatDisagree) {
  ThreadPool pool(1);
  Stream stream(GetParam(), pool);
  std::vector<float> x(8);
  std::vector<float> y(8, 7.0F);
  const WeightView weight{x.data(), DType::kFp32, 1, 4};
  EXPECT_EQ(RmsNorm(stream, {.x = Matrix(x, 8), .weight = weight, .y = Matrix(y, 8)}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(RmsNorm(stream, {.x = Matrix(x, 4), .weight = weight, .y = Matrix(y, 8)}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      RmsNorm(stream,
              {.x = Matrix(x, 4), .weight = {x.data(), DType::kFp16, 1, 4}, .y = Matrix(y, 4)})
          .code(),
      absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(y, std::vector<float>(8, 7.0F));
}

std::string TestName(const testing::TestParamInfo<Backend>& test) {
  std::string name = Name(test.param);
  std::erase(name, '-');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Backends, RmsNormTest, testing::ValuesIn(SupportedBackends()), TestName);

}  // namespace
}  // namespace sextant
