#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "common/device/backend.h"
#include "common/tensor/float_types.h"
#include "gtest/gtest.h"
#include "tests/unit/kernels/simd/simd_probe.h"

namespace sextant {
namespace {

class SimdTest : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (!Supports(GetParam())) GTEST_SKIP() << "this processor cannot run " << Name(GetParam());
    probe_ = GetParam() == Backend::kCpuAvx2 ? ProbeAvx2() : ProbeAvx512();
  }
  std::vector<float> Exp(const std::vector<float>& x) {
    std::vector<float> y(x.size());
    probe_.exp(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
    return y;
  }
  SimdProbe probe_{};
};

TEST_P(SimdTest, ExpIsWithinTwoUlpWhereItsResultIsNormal) {
  std::vector<float> x;
  for (float v = -87.3F; v < 88.7F; v += 0.00137F) x.push_back(v);
  const std::vector<float> y = Exp(x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = std::exp(static_cast<double>(x[i]));
    const double ulp = std::ldexp(1.0, std::ilogb(exact) - 23);
    ASSERT_LE(std::abs(static_cast<double>(y[i]) - exact), 2.0 * ulp) << "at " << x[i];
  }
}

TEST_P(SimdTest, ExpIsRightAtTheEndsOfItsRange) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const std::vector<float> y = Exp({-kInf, -1e30F, -104.5F, 0.0F, -0.0F, 89.0F, 1e30F, kInf,
                                    std::numeric_limits<float>::quiet_NaN()});
  EXPECT_EQ(y[0], 0.0F);
  EXPECT_EQ(y[1], 0.0F);
  EXPECT_EQ(y[2], 0.0F);
  EXPECT_EQ(y[3], 1.0F);
  EXPECT_EQ(y[4], 1.0F);
  EXPECT_EQ(y[5], kInf);
  EXPECT_EQ(y[6], kInf);
  EXPECT_EQ(y[7], kInf);
  EXPECT_TRUE(std::isnan(y[8]));
}

TEST_P(SimdTest, RoundingAndStoringMatchTheScalarConversionForEveryLength) {
  for (std::size_t count = 0; count < 40; ++count) {
    std::vector<float> x(count);
    for (std::size_t i = 0; i < count; ++i) {
      // Halfway between two bf16 values, and one f32 step to each side, of both signs.
      const std::uint32_t base = 0x3f808000U + static_cast<std::uint32_t>(i / 3 * 0x10000U);
      x[i] = std::bit_cast<float>(base + static_cast<std::uint32_t>(i % 3) - 1U);
      if (i % 2 == 1) x[i] = -x[i];
    }
    std::vector<float> rounded(count + 1, 7.0F);
    std::vector<float> reloaded(count + 1, 7.0F);
    std::vector<Bf16> stored(count + 1, Bf16{7});
    probe_.round(x.data(), rounded.data(), stored.data(), reloaded.data(),
                 static_cast<std::int64_t>(count));
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(rounded[i], RoundToBf16(x[i])) << i << " of " << count;
      ASSERT_EQ(stored[i].bits, ToBf16(x[i]).bits) << i << " of " << count;
      ASSERT_EQ(reloaded[i], rounded[i]) << i << " of " << count;
    }
    // Nothing is written past the end.
    EXPECT_EQ(rounded[count], 7.0F);
    EXPECT_EQ(stored[count].bits, 7);
    EXPECT_EQ(reloaded[count], 7.0F);
  }
}

TEST_P(SimdTest, ANanStaysANan) {
  const float nan = std::numeric_limits<float>::signaling_NaN();
  const std::vector<float> x(static_cast<std::size_t>(probe_.lanes), nan);
  std::vector<float> rounded(x.size());
  std::vector<float> reloaded(x.size());
  std::vector<Bf16> stored(x.size());
  probe_.round(x.data(), rounded.data(), stored.data(), reloaded.data(), probe_.lanes);
  EXPECT_TRUE(std::isnan(rounded[0]));
  EXPECT_TRUE(std::isnan(reloaded[0]));
}

TEST_P(SimdTest, ReductionsUseEveryLaneOnce) {
  for (int lane = 0; lane < probe_.lanes; ++lane) {
    std::vector<float> x(static_cast<std::size_t>(probe_.lanes), 1.0F);
    x[static_cast<std::size_t>(lane)] = 100.0F;
    EXPECT_EQ(probe_.reduce_add(x.data()), 99.0F + static_cast<float>(probe_.lanes));
    EXPECT_EQ(probe_.reduce_max(x.data()), 100.0F);
  }
}

TEST_P(SimdTest, TransposeSwapsRowsAndLanes) {
  const auto lanes = static_cast<std::size_t>(probe_.lanes);
  std::vector<float> square(lanes * lanes);
  for (std::size_t i = 0; i < square.size(); ++i) square[i] = static_cast<float>(i);
  probe_.transpose(square.data());
  for (std::size_t i = 0; i < lanes; ++i) {
    for (std::size_t j = 0; j < lanes; ++j) {
      ASSERT_EQ(square[i * lanes + j], static_cast<float>(j * lanes + i)) << i << ", " << j;
    }
  }
}

TEST_P(SimdTest, HalvesGoToTheirOwnPlaces) {
  const auto half = static_cast<std::size_t>(probe_.lanes / 2);
  std::vector<float> x(2 * half);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  std::vector<float> low(half + 1, -1.0F);
  std::vector<float> high(half + 1, -1.0F);
  probe_.store_halves(x.data(), low.data(), high.data());
  for (std::size_t i = 0; i < half; ++i) {
    EXPECT_EQ(low[i], x[i]);
    EXPECT_EQ(high[i], x[half + i]);
  }
  EXPECT_EQ(low[half], -1.0F);
  EXPECT_EQ(high[half], -1.0F);
}

INSTANTIATE_TEST_SUITE_P(Backends, SimdTest,
                         testing::Values(Backend::kCpuAvx2, Backend::kCpuAvx512Bf16),
                         [](const testing::TestParamInfo<Backend>& test) {
                           return test.param == Backend::kCpuAvx2 ? std::string("Avx2")
                                                                  : std::string("Avx512Bf16");
                         });

}  // namespace
}  // namespace sextant
