#include "kernels/random/fill_normal_cuda.h"

#include <cmath>
#include <numbers>
#include <vector>

#include "kernels/sampling/philox.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/values.h"

namespace sextant {
namespace {

constexpr std::int64_t kOfABlock = 2048;

std::vector<Bf16> Fill(std::int64_t count, float deviation, std::uint64_t seed) {
  const DeviceArray<Bf16> values(static_cast<std::size_t>(count), Bf16{0xffff});
  EXPECT_TRUE(Ran(FillNormalCuda(
      {}, {.values = values.data(), .count = count, .deviation = deviation, .seed = seed})));
  return values.Read();
}

// Box and Muller's transform in double.
double Expected(std::uint64_t seed, std::uint64_t index) {
  const std::uint64_t position = index / 4;
  const auto low = [](std::uint64_t bits) { return static_cast<std::uint32_t>(bits); };
  const PhiloxCounter bits =
      Philox4x32({low(position), low(position >> 32), 0, 0}, {low(seed), low(seed >> 32)});
  const auto uniform = [&](std::size_t word) { return (bits[word] + 0.5) * 0x1p-32; };
  const std::size_t first = index % 4 / 2 * 2;
  const double radius = std::sqrt(-2.0 * std::log(uniform(first)));
  const double angle = 2.0 * std::numbers::pi * uniform(first + 1);
  return radius * (index % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

class FillNormalCudaTest : public DeviceTest {};

TEST_F(FillNormalCudaTest, ValuesAreThoseOfTheTransform) {
  for (const std::uint64_t seed : {0ULL, 1ULL, 0xfedcba9876543210ULL}) {
    const std::vector<Bf16> values = Fill(512, 2.0F, seed);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double expected = 2.0 * Expected(seed, i);
      // Half a unit of bf16's last place, and single precision before: near 1 the logarithm keeps
      // the 2^-24 by which its argument was rounded.
      ASSERT_NEAR(ToFloat(values[i]), expected, std::ldexp(std::abs(expected), -8) + 1e-3) << i;
    }
  }
}

TEST_F(FillNormalCudaTest, ValuesHaveTheMeanDeviationAndTailsOfANormalDistribution) {
  constexpr std::int64_t kCount = 1 << 18;
  constexpr double kRoot = 512;  // of the count
  constexpr double kDeviation = 0.02;
  double sum = 0;
  double squares = 0;
  double neighbours = 0;
  double beyond_two = 0;
  double beyond_three = 0;
  double last = 0;
  for (const Bf16 value : Fill(kCount, static_cast<float>(kDeviation), 3)) {
    const double z = ToFloat(value) / kDeviation;
    ASSERT_LT(std::abs(z), 7.0);
    sum += z;
    squares += z * z;
    neighbours += z * last;
    last = z;
    if (std::abs(z) > 2) beyond_two += 1;
    if (std::abs(z) > 3) beyond_three += 1;
  }
  // Within five deviations of each estimate; rounding to bf16 moves the edges of the tails.
  EXPECT_NEAR(sum / kCount, 0, 5 / kRoot);
  EXPECT_NEAR(squares / kCount, 1, 5 * std::sqrt(2.0) / kRoot);
  EXPECT_NEAR(neighbours / kCount, 0, 5 / kRoot);
  EXPECT_NEAR(beyond_two / kCount, 0.0455, 5 * std::sqrt(0.0455) / kRoot + 0.001);
  EXPECT_NEAR(beyond_three / kCount, 0.0027, 5 * std::sqrt(0.0027) / kRoot + 0.0002);
}

TEST_F(FillNormalCudaTest, AValueDependsOnSeedAndIndexAlone) {
  const std::vector<Bf16> many = Fill(3 * kOfABlock + 8, 1.0F, 5);
  for (const std::int64_t count :
       {std::int64_t{0}, std::int64_t{8}, kOfABlock - 8, kOfABlock, kOfABlock + 8}) {
    EXPECT_EQ(Fill(count, 1.0F, 5), RowsOf(many, 0, 1, count)) << count;
  }
  const std::vector<Bf16> other = Fill(kOfABlock, 1.0F, 6);
  std::size_t equal = 0;
  for (std::size_t i = 0; i < other.size(); ++i) equal += other[i] == many[i] ? 1U : 0U;
  EXPECT_LT(equal, other.size() / 50);
}

TEST_F(FillNormalCudaTest, RefusesWhatDoesNotFit) {
  const DeviceArray<Bf16> values(32, Bf16{0});
  const auto refused = [](Bf16* to, std::int64_t count) {
    return FillNormalCuda({}, {.values = to, .count = count}).error ==
           DeviceError::kInvalidArgument;
  };
  EXPECT_FALSE(refused(values.data(), 32));
  EXPECT_TRUE(refused(values.data(), 12));
  EXPECT_TRUE(refused(values.data(), -8));
  EXPECT_TRUE(refused(values.data() + 4, 8));
  EXPECT_TRUE(refused(nullptr, 8));
}

}  // namespace
}  // namespace sextant
