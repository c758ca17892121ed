#include "kernels/rope/yarn.h"

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "common/tensor/float_types.h"
#include "gtest/gtest.h"

namespace sextant {
namespace {

RopeParameters LiteParameters() {
  return {.theta = 10000.0,
          .rope_dim = 64,
          .yarn = YarnParameters{.factor = 40.0,
                                 .beta_fast = 32.0,
                                 .beta_slow = 1.0,
                                 .mscale = 0.707,
                                 .mscale_all_dim = 0.707,
                                 .original_max_position = 4096}};
}

RopeTable Table(const RopeParameters& parameters) {
  absl::StatusOr<RopeTable> table = RopeTable::Create(parameters);
  EXPECT_TRUE(table.ok()) << table.status();
  return *std::move(table);
}

// Evaluated from the formulas of MODEL.md section 3 in another language.
TEST(YarnTest, FrequenciesOfV2LiteMatchTheFormula) {
  const RopeTable table = Table(LiteParameters());
  ASSERT_EQ(table.frequencies().size(), 32U);
  const struct {
    std::size_t pair;
    double frequency;
  } golden[] = {{0, 1.0},
                {1, 0.7498942093324559},
                {9, 0.07498942093324558},
                {10, 0.05623413251903491},    // the last that is kept
                {11, 0.03900692656714386},    // blended
                {16, 0.0055},                 // blended
                {22, 0.0001778279410038923},  // blended
                {23, 3.33380358040831e-05},   // the first that is stretched by 40
                {24, 2.5e-05},
                {31, 3.3338035804083097e-06}};
  for (const auto& [pair, frequency] : golden) {
    EXPECT_NEAR(table.frequencies()[pair], frequency, frequency * 3e-7) << "pair " << pair;
  }
  EXPECT_EQ(table.magnitude(), 1.0);
}

TEST(YarnTest, RampBoundsStayInsideTheRotatedWidth) {
  // low is clamped to 0 and high = 2 here.
  const RopeTable table =
      Table({.theta = 500.0,
             .rope_dim = 8,
             .yarn = YarnParameters{.factor = 4.0, .original_max_position = 64}});
  const double golden[] = {1.0, 0.1321714079300705, 0.011180339887498949, 0.0023643540225079395};
  for (std::size_t j = 0; j < 4; ++j) {
    EXPECT_NEAR(table.frequencies()[j], golden[j], golden[j] * 3e-7) << "pair " << j;
  }
}

TEST(YarnTest, WithoutScalingFrequenciesAreTheOriginalOnes) {
  const RopeTable table = Table({.theta = 10000.0, .rope_dim = 4, .yarn = std::nullopt});
  EXPECT_EQ(table.frequencies()[0], 1.0);
  EXPECT_NEAR(table.frequencies()[1], 0.01, 1e-9);
  EXPECT_EQ(table.magnitude(), 1.0);
}

TEST(YarnTest, AttentionScaleGrowsWithTheSquareOfTheMagnitude) {
  RopeParameters parameters = LiteParameters();
  EXPECT_NEAR(AttentionScale(192, parameters), 0.11472138679292612, 1e-15);
  parameters.yarn->mscale = parameters.yarn->mscale_all_dim = 1.0;  // DeepSeek-V2.5
  EXPECT_NEAR(AttentionScale(192, parameters), 0.1352337788608801, 1e-15);
  parameters.yarn->mscale_all_dim = 0.0;
  EXPECT_NEAR(AttentionScale(192, parameters), std::pow(192.0, -0.5), 1e-15);
  parameters.yarn.reset();
  EXPECT_NEAR(AttentionScale(192, parameters), std::pow(192.0, -0.5), 1e-15);
}

TEST(YarnTest, MagnitudesScaleCosinesWhenTheyDiffer) {
  RopeParameters parameters = LiteParameters();
  parameters.yarn->mscale_all_dim = 0.0;
  const RopeTable table = Table(parameters);
  EXPECT_NEAR(table.magnitude(), 1.2608037774058554, 1e-15);
  std::vector<float> cos(32);
  std::vector<float> sin(32);
  table.Rows({0}, Precision::kFp32, {cos.data(), 1, 32}, {sin.data(), 1, 32});
  EXPECT_FLOAT_EQ(cos[5], 1.2608037774058554F);
  EXPECT_EQ(sin[5], 0.0F);
}

TEST(YarnTest, RowsFollowTheAngleInSinglePrecisionFarIntoTheContext) {
  const RopeTable table = Table(LiteParameters());
  std::vector<float> cos(64);
  std::vector<float> sin(64);
  table.Rows({4096, 163839}, Precision::kFp32, {cos.data(), 2, 32}, {sin.data(), 2, 32});
  const float angle = 4096.0F * table.frequencies()[1];  // one rounding: the published code's
  EXPECT_FLOAT_EQ(cos[1], static_cast<float>(std::cos(static_cast<double>(angle))));
  EXPECT_FLOAT_EQ(sin[1], static_cast<float>(std::sin(static_cast<double>(angle))));
  EXPECT_NEAR(cos[1], 0.6130082552052, 4096 * 0x1p-23);  // the exact angle's
  EXPECT_FLOAT_EQ(cos[32 + 0], 0.2286846488279413F);     // frequency 1: exact
  EXPECT_NEAR(sin[32 + 31], 0.5194498895561133, 1e-6);
  std::vector<float> rounded(64);
  table.Rows({4096, 163839}, Precision::kBf16, {rounded.data(), 2, 32}, {sin.data(), 2, 32});
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(rounded[i], RoundToBf16(cos[i]));
}

TEST(YarnTest, RefusesWhatHasNoMeaning) {
  const auto refused = [](const RopeParameters& parameters) {
    return RopeTable::Create(parameters).status().code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused({.rope_dim = 63}));
  EXPECT_TRUE(refused({.rope_dim = 0}));
  EXPECT_TRUE(refused({.theta = 1.0}));
  EXPECT_TRUE(refused({.theta = std::nan("")}));
  EXPECT_TRUE(refused({.yarn = YarnParameters{.factor = 0.0}}));
  EXPECT_TRUE(refused({.yarn = YarnParameters{.factor = 2.0, .original_max_position = 0}}));
}

// The numbers of a JSON array of numbers named `key`.
std::vector<double> NumbersOf(const std::string& text, const std::string& key) {
  const std::size_t name = text.find('"' + key + '"');
  if (name == std::string::npos) return {};
  const std::size_t begin = text.find('[', name) + 1;
  std::string list = text.substr(begin, text.find(']', begin) - begin);
  for (char& c : list) c = c == ',' ? ' ' : c;
  std::istringstream numbers(list);
  return {std::istream_iterator<double>(numbers), {}};
}

TEST(YarnTest, FrequenciesMatchTheSharedReference) {
  const char* directory = std::getenv("SEXTANT_SHARED_DIR");
  const std::string path = (directory != nullptr ? std::string(directory)
                                                 : std::string(SEXTANT_SOURCE_DIR "/../shared")) +
                           "/model/yarn_reference.json";
  std::ifstream file(path);
  if (!file) GTEST_SKIP() << "no shared/ beside the checkout: " << path << " is absent";
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::vector<double> expected = NumbersOf(text, "inv_freq_double");
  const RopeTable table = Table(LiteParameters());
  ASSERT_EQ(expected.size(), table.frequencies().size());
  for (std::size_t j = 0; j < expected.size(); ++j) {
    EXPECT_NEAR(table.frequencies()[j], expected[j], expected[j] * 3e-7) << "pair " << j;
  }
}

}  // namespace
}  // namespace sextant
