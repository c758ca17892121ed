#include "kernels/rope/apply_rope.h"

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "common/device/backend.h"
#include "common/device/stream.h"
#include "common/device/thread_pool.h"
#include "common/tensor/float_types.h"
#include "gtest/gtest.h"

namespace sextant {
namespace {

class ApplyRopeTest : public testing::TestWithParam<Backend> {};

std::vector<float> Ramp(std::int64_t count, float step) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = std::sin(static_cast<float>(i + 1) * step) * 3.0F;
  }
  return values;
}

TEST_P(ApplyRopeTest, TurnsAdjacentPairsAndLeavesTheRestOfTheHead) {
  ThreadPool pool(1);
  Stream stream(GetParam(), pool);
  // Two heads of 5: one value in front, then two pairs; by 90 and by 180 degrees.
  std::vector<float> x = {9, 1, 2, 3, 4, 8, 5, 6, 7, -1};
  const std::vector<float> cos = {0, -1};
  const std::vector<float> sin = {1, 0};
  ASSERT_TRUE(ApplyRope(stream, {.x = {x.data(), 1, 10},
                                 .num_heads = 2,
                                 .cos = {cos.data(), 1, 2},
                                 .sin = {sin.data(), 1, 2}})
                  .ok());
  EXPECT_EQ(x, (std::vector<float>{9, -2, 1, -3, -4, 8, -6, 5, -7, 1}));
}

TEST_P(ApplyRopeTest, RoundsBothProductsAndTheirSumUnderBf16) {
  ThreadPool pool(1);
  Stream stream(GetParam(), pool);
  const float c = RoundToBf16(0.8F);
  const float s = RoundToBf16(0.6F);
  const float x0 = RoundToBf16(1.37F);
  const float x1 = RoundToBf16(-2.19F);
  std::vector<float> x = {x0, x1};
  ASSERT_TRUE(
      ApplyRope(stream, {.x = {x.data(), 1, 2}, .cos = {&c, 1, 1}, .sin = {&s, 1, 1}}).ok());
  EXPECT_EQ(x[0], RoundToBf16(RoundToBf16(x0 * c) - RoundToBf16(x1 * s)));
  EXPECT_EQ(x[1], RoundToBf16(RoundToBf16(x1 * c) + RoundToBf16(x0 * s)));
  x = {x0, x1};
  ASSERT_TRUE(ApplyRope(stream, {.x = {x.data(), 1, 2},
                                 .cos = {&c, 1, 1},
                                 .sin = {&s, 1, 1},
                                 .precision = Precision::kFp32})
                  .ok());
  EXPECT_EQ(x[0], x0 * c - x1 * s);
}

TEST_P(ApplyRopeTest, RowsHaveTheSameBytesAloneAndTogetherOnAnyThreads) {
  constexpr std::int64_t kRows = 67;
  constexpr std::int64_t kHeads = 16;
  constexpr std::int64_t kPairs = 32;
  constexpr std::int64_t kCols = kHeads * 192;
  const std::vector<float> x = Ramp(kRows * kCols, 0.37F);
  const std::vector<float> cos = Ramp(kRows * kPairs, 0.11F);
  const std::vector<float> sin = Ramp(kRows * kPairs, 0.13F);
  const auto run = [&](std::vector<float>& values, Stream& stream, std::int64_t t,
                       std::int64_t count) {
    return ApplyRope(stream, {.x = MatrixView<float>(values.data(), kRows, kCols).Rows(t, count),
                              .num_heads = kHeads,
                              .cos = MatrixView(cos.data(), kRows, kPairs).Rows(t, count),
                              .sin = MatrixView(sin.data(), kRows, kPairs).Rows(t, count)});
  };
  std::vector<float> alone = x;
  ThreadPool one(1);
  Stream single(GetParam(), one);
  for (std::int64_t t = 0; t < kRows; ++t) ASSERT_TRUE(run(alone, single, t, 1).ok());
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    Stream stream(GetParam(), pool);
    std::vector<float> together = x;
    ASSERT_TRUE(run(together, stream, 0, kRows).ok());
    EXPECT_EQ(together, alone) << threads << " threads";
  }
}

TEST_P(ApplyRopeTest, RefusesShapesThatDisagree) {
  ThreadPool pool(1);
  Stream stream(GetParam(), pool);
  std::vector<float> x(12, 1.0F);
  const std::vector<float> table(8, 1.0F);
  const auto code = [&](ApplyRopeArgs args) { return ApplyRope(stream, args).code(); };
  // Heads of 4 cannot have 3 pairs; 12 values are not 5 heads; two rows of angles for one of x.
  EXPECT_EQ(code({.x = {x.data(), 1, 12},
                  .num_heads = 3,
                  .cos = {table.data(), 1, 3},
                  .sin = {table.data(), 1, 3}}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.x = {x.data(), 1, 12},
                  .num_heads = 5,
                  .cos = {table.data(), 1, 1},
                  .sin = {table.data(), 1, 1}}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.x = {x.data(), 1, 12},
                  .num_heads = 3,
                  .cos = {table.data(), 2, 2},
                  .sin = {table.data(), 2, 2}}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(x, std::vector<float>(12, 1.0F));
}

std::string TestName(const testing::TestParamInfo<Backend>& test) {
  std::string name = Name(test.param);
  std::erase(name, '-');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Backends, ApplyRopeTest, testing::ValuesIn(SupportedBackends()), TestName);

}  // namespace
}  // namespace sextant
