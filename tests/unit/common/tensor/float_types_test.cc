#include "common/tensor/float_types.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace sextant {
namespace {

TEST(Bf16Test, EveryValueSurvivesTheWayThroughFloat) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Bf16 value{static_cast<std::uint16_t>(bits)};
    if (std::isnan(ToFloat(value))) {
      EXPECT_TRUE(std::isnan(ToFloat(ToBf16(ToFloat(value)))));
    } else {
      EXPECT_EQ(ToBf16(ToFloat(value)), value) << bits;
    }
  }
}

TEST(Bf16Test, RoundsToNearestTiesToEven) {
  EXPECT_EQ(RoundToBf16(1.0F + 0x1p-8F), 1.0F);               // a tie, down to even
  EXPECT_EQ(RoundToBf16(1.0F + 0x3p-8F), 1.0F + 0x1p-6F);     // a tie, up to even
  EXPECT_EQ(RoundToBf16(1.0F + 0x1.01p-8F), 1.0F + 0x1p-7F);  // just above a tie
  EXPECT_EQ(RoundToBf16(std::numeric_limits<float>::max()), std::numeric_limits<float>::infinity());
}

TEST(Fp16Test, EveryValueSurvivesTheWayThroughFloat) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Fp16 value{static_cast<std::uint16_t>(bits)};
    if (std::isnan(ToFloat(value))) {
      EXPECT_TRUE(std::isnan(ToFloat(ToFp16(ToFloat(value)))));
    } else {
      EXPECT_EQ(ToFp16(ToFloat(value)), value) << bits;
    }
  }
}

TEST(Fp16Test, RoundsToNearestTiesToEven) {
  EXPECT_EQ(ToFloat(ToFp16(1.0F + 0x1p-11F)), 1.0F);
  EXPECT_EQ(ToFloat(ToFp16(1.0F + 0x3p-11F)), 1.0F + 0x1p-9F);
  EXPECT_EQ(ToFloat(ToFp16(65519.0F)), 65504.0F);
  EXPECT_TRUE(std::isinf(ToFloat(ToFp16(65520.0F))));
  EXPECT_EQ(ToFloat(ToFp16(0x1p-25F)), 0.0F);
  EXPECT_EQ(ToFloat(ToFp16(0x3p-25F)), 0x1p-23F);
}

}  // namespace
}  // namespace sextant
