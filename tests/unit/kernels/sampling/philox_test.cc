#include "kernels/sampling/philox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace sextant {
namespace {

using ::testing::ElementsAre;

// The known answers of "philox4x32 10" that Random123 1.09 publishes in tests/kat_vectors.
TEST(PhiloxTest, GivesThePublishedAnswers) {
  EXPECT_THAT(Philox4x32({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_THAT(Philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(
      Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
      ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(PhiloxTest, EveryBitOfSeedAndPositionChangesTheDraw) {
  std::set<double> draws = {UniformDraw(0, 0)};
  for (int bit = 0; bit < 64; ++bit) {
    draws.insert(UniformDraw(std::uint64_t{1} << bit, 0));
    draws.insert(UniformDraw(0, std::uint64_t{1} << bit));
  }
  EXPECT_EQ(draws.size(), 129U);
}

TEST(PhiloxTest, DrawsAreUniform) {
  constexpr int kDraws = 100000;
  constexpr int kCells = 50;
  int counts[kCells] = {};
  for (std::uint64_t position = 0; position < kDraws; ++position) {
    const double u = UniformDraw(42, position);
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    ++counts[static_cast<int>(u * kCells)];
  }
  double chi_square = 0.0;
  for (const int count : counts) {
    const double expected = static_cast<double>(kDraws) / kCells;
    chi_square += (count - expected) * (count - expected) / expected;
  }
  EXPECT_LT(chi_square, 109.0) << "49 degrees of freedom: exceeded once in a million";
}

}  // namespace
}  // namespace sextant
