#include "tests/golden/golden_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "tests/support/shared_data.h"
#include "tests/support/temp_dir.h"

namespace sextant {
namespace {

std::int32_t ArgMax(const std::vector<float>& row) {
  return static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

// What every golden file must satisfy, whoever made it.
void ExpectConsistent(const GoldenModel& golden) {
  const std::size_t tokens = golden.ids.size();
  ASSERT_EQ(tokens, 40U);
  ASSERT_EQ(golden.logits_fp32.size(), tokens);
  ASSERT_EQ(golden.argmax_bf16.size(), tokens);
  const std::size_t vocab = golden.logits_fp32[0].size();
  for (std::size_t t = 0; t < tokens; ++t) {
    ASSERT_EQ(golden.logits_fp32[t].size(), vocab);
    EXPECT_EQ(ArgMax(golden.logits_fp32[t]), golden.argmax_fp32[t]);
  }
  double distance = 0.0;
  for (std::size_t row = 0; row < golden.logits_bf16.size(); ++row) {
    const std::size_t t = static_cast<std::size_t>(golden.bf16_first) + row;
    EXPECT_EQ(ArgMax(golden.logits_bf16[row]), golden.argmax_bf16[t]);
    for (std::size_t v = 0; v < vocab; ++v) {
      const float difference = golden.logits_bf16[row][v] - golden.logits_fp32[t][v];
      distance = std::max(distance, std::abs(static_cast<double>(difference)));
    }
  }
  EXPECT_LE(distance, golden.bf16_distance * (1 + 1e-6));
  ASSERT_FALSE(golden.routing.empty());
  for (const GoldenRouting& routing : golden.routing) {
    ASSERT_EQ(routing.expert_ids.size(), tokens);
    for (std::size_t t = 0; t < tokens; ++t) {
      EXPECT_EQ(routing.expert_ids[t].size(), routing.weights[t].size());
      EXPECT_TRUE(std::is_sorted(routing.weights[t].rbegin(), routing.weights[t].rend()));
    }
  }
  EXPECT_EQ(golden.long_ids[0], golden.ids[0]);
  ASSERT_EQ(golden.long_last_logits.size(), 4U);
  EXPECT_EQ(golden.long_last_logits[3].size(), vocab);
}

TEST(GoldenModelTest, ThoseOfThisProjectAreConsistent) {
  for (const std::string& name : GoldenModelNames()) {
    SCOPED_TRACE(name);
    const auto golden = ReadGoldenModel(GoldenModelFolder(name));
    ASSERT_TRUE(golden.ok()) << golden.status();
    ExpectConsistent(*golden);
    EXPECT_EQ(golden->logits_bf16.size(), 40U);
    EXPECT_EQ(golden->long_ids.size(), 600U);
  }
}

TEST(GoldenModelTest, NormalisedWeightsSumToOneAndScaledOnesDoNot) {
  const auto sum_of_first = [](const std::string& name) {
    const auto golden = ReadGoldenModel(GoldenModelFolder(name));
    float sum = 0.0F;
    for (const float weight : golden->routing[0].weights[0]) sum += weight;
    return sum;
  };
  EXPECT_NEAR(sum_of_first("plain"), 1.0F, 1e-6F);
  EXPECT_LT(sum_of_first("lite"), 1.0F);
  EXPECT_GT(sum_of_first("v2"), 2.0F);
}

TEST(GoldenModelTest, ThoseOfTheSharedTestDataAreRead) {
  for (const char* name : {"lite", "v2"}) {
    const std::string folder = SharedData(std::string("model/golden/") + name);
    SEXTANT_SKIP_WITHOUT_SHARED(folder);
    SCOPED_TRACE(folder);
    const auto golden = ReadGoldenModel(folder);
    ASSERT_TRUE(golden.ok()) << golden.status();
    ExpectConsistent(*golden);
    EXPECT_EQ(golden->long_ids.size(), 4500U);
  }
}

TEST(GoldenModelTest, AnAbsentOrMalformedFileIsNamed) {
  const TempDir dir;
  EXPECT_EQ(ReadGoldenModel(dir.path()).status().code(), absl::StatusCode::kNotFound);
  const std::string path = dir.Write("golden.json", R"({"input_ids": [1]})");
  const absl::Status status = ReadGoldenModel(dir.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(path));
}

// As tests/gpu/run has it, whose programs were built on another machine.
TEST(GoldenModelTest, TheEnvironmentMovesTheFolders) {
  const std::string here = GoldenModelFolder("lite");
  ASSERT_EQ(::setenv("SEXTANT_SOURCE_DIR", "/elsewhere", 1), 0);
  const std::string there = GoldenModelFolder("lite");
  ASSERT_EQ(::unsetenv("SEXTANT_SOURCE_DIR"), 0);
  EXPECT_EQ(there, "/elsewhere/tests/golden/model/lite");
  EXPECT_EQ(GoldenModelFolder("lite"), here);
}

}  // namespace
}  // namespace sextant
