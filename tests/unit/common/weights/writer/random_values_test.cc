#include "common/weights/writer/random_values.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace sextant {
namespace {

TEST(RandomValues, AnyPartOfAStreamIsTheSame) {
  const RandomValues values(0, 1);
  std::vector<Bf16> whole(1003);
  values.Fill(42, 0, absl::MakeSpan(whole));
  for (const std::size_t begin : {4U, 8U, 500U, 1000U}) {
    for (const std::size_t size : {0U, 1U, 3U}) {
      std::vector<Bf16> part(size);
      values.Fill(42, static_cast<std::int64_t>(begin), absl::MakeSpan(part));
      EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + static_cast<long>(begin)));
    }
  }
}

TEST(RandomValues, KeysDependOnSeedAndName) {
  EXPECT_EQ(RandomKey(1, "a"), RandomKey(1, "a"));
  EXPECT_NE(RandomKey(1, "a"), RandomKey(2, "a"));
  EXPECT_NE(RandomKey(1, "a"), RandomKey(1, "b"));
}

// Fixed bytes: a checkpoint of a seed must stay the same from version to version.
TEST(RandomValues, TheBytesOfASeedDoNotChange) {
  const RandomValues values(0, 1);
  std::vector<Bf16> drawn(4);
  values.Fill(RandomKey(1, "model.norm.weight"), 0, absl::MakeSpan(drawn));
  const std::vector<Bf16> expected = {{0xbf08}, {0x3f1d}, {0x3e8d}, {0x3eaf}};
  EXPECT_EQ(drawn, expected);
}

TEST(RandomValues, MomentsAreThoseAskedFor) {
  constexpr int kCount = 1 << 20;
  const double mean = 0.25;
  const double stddev = 2.0;
  const RandomValues values(mean, stddev);
  std::vector<Bf16> drawn(kCount);
  values.Fill(7, 0, absl::MakeSpan(drawn));
  double sum = 0;
  double squares = 0;
  double largest = 0;
  for (const Bf16 value : drawn) {
    const double x = (static_cast<double>(ToFloat(value)) - mean) / stddev;
    sum += x;
    squares += x * x;
    largest = std::max(largest, std::abs(x));
  }
  // Five standard errors of the mean and of the variance (2 / n), plus bf16's rounding.
  EXPECT_NEAR(sum / kCount, 0, 5 / std::sqrt(kCount) + 1e-3);
  EXPECT_NEAR(squares / kCount, 1, 5 * std::sqrt(2.0 / kCount) + 1e-3);
  EXPECT_GT(largest, 4.0);
  EXPECT_LT(largest, 4.4);
}

}  // namespace
}  // namespace sextant
