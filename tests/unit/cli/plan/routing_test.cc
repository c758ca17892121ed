#include "cli/plan/routing.h"

#include <gtest/gtest.h>

namespace sextant::cli {
namespace {

constexpr Routing kV2Lite = {.experts = 64, .chosen = 6};

TEST(ExpectedExperts, OneTokenReadsItsOwn) {
  EXPECT_NEAR(ExpectedExperts(kV2Lite, 64, 1), 6, 1e-12);
  EXPECT_NEAR(ExpectedExperts(kV2Lite, 8, 1), 0.75, 1e-12);  // an eighth of them
}

TEST(ExpectedExperts, TwoTokensShareSome) {
  // 64 (1 - (58/64)^2): 12 choices, of which 0.5625 meet another.
  EXPECT_NEAR(ExpectedExperts(kV2Lite, 64, 2), 11.4375, 1e-12);
}

TEST(ExpectedExperts, ManyTokensReadAll) {
  EXPECT_NEAR(ExpectedExperts(kV2Lite, 64, 1024), 64, 1e-9);
  EXPECT_EQ(ExpectedExperts({.experts = 6, .chosen = 6}, 6, 1), 6);
  EXPECT_EQ(ExpectedExperts(kV2Lite, 64, 0), 0);
}

TEST(HitProbability, CountsTheSetsThatMissAHolder) {
  EXPECT_EQ(HitProbability(kV2Lite, 0), 0);
  EXPECT_NEAR(HitProbability(kV2Lite, 1), 6.0 / 64, 1e-12);
  EXPECT_NEAR(HitProbability(kV2Lite, 2), 1 - 58.0 * 57 / (64 * 63), 1e-12);
  EXPECT_EQ(HitProbability(kV2Lite, 59), 1);  // five others are too few for six
  EXPECT_EQ(HitProbability(kV2Lite, 64), 1);
}

// The same by listing: pairs of {0..4}, a holder of {0, 1}.
TEST(HitProbability, AgreesWithEverySetListed) {
  int hit = 0;
  int sets = 0;
  for (int a = 0; a < 5; ++a) {
    for (int b = a + 1; b < 5; ++b) {
      ++sets;
      hit += a < 2 || b < 2 ? 1 : 0;
    }
  }
  EXPECT_NEAR(HitProbability({.experts = 5, .chosen = 2}, 2), static_cast<double>(hit) / sets,
              1e-12);
}

}  // namespace
}  // namespace sextant::cli
