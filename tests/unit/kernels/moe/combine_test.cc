#include "kernels/moe/combine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "common/tensor/float_types.h"

namespace sextant {
namespace {

struct Problem {
  std::int64_t tokens;
  std::int64_t chosen;
  std::int64_t hidden;
  bool shared;
  std::vector<float> expert_out, weights, shared_out, residual;
  std::vector<std::int32_t> output_row;
};

// Expert outputs lie in a shuffled order, with rows among them that nobody asked for.
Problem MakeProblem(std::int64_t tokens, std::int64_t chosen, std::int64_t hidden, bool shared,
                    unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Problem p{tokens, chosen, hidden, shared, {}, {}, {}, {}, {}};
  const std::int64_t rows = tokens * chosen + 3;
  const auto fill = [&](std::vector<float>& values, std::int64_t count) {
    values.resize(static_cast<std::size_t>(count));
    for (float& value : values) value = RoundToBf16(normal(random));
  };
  fill(p.expert_out, rows * hidden);
  fill(p.weights, tokens * chosen);
  fill(p.shared_out, shared ? tokens * hidden : 0);
  fill(p.residual, tokens * hidden);
  for (std::int32_t i = 0; i < tokens * chosen; ++i) p.output_row.push_back(i + 2);
  std::shuffle(p.output_row.begin(), p.output_row.end(), random);
  return p;
}

CombineArgs ArgsOf(Problem& p, Precision precision) {
  return {.expert_out = {p.expert_out.data(),
                         static_cast<std::int64_t>(p.expert_out.size()) / p.hidden, p.hidden},
          .output_row = p.output_row,
          .weights = {p.weights.data(), p.tokens, p.chosen},
          .shared_out = {p.shared_out.data(), p.shared ? p.tokens : 0, p.hidden},
          .precision = precision,
          .residual = {p.residual.data(), p.tokens, p.hidden}};
}

class CombineTest : public ::testing::TestWithParam<Backend> {
 protected:
  std::vector<float> Run(Problem p, Precision precision, Backend backend) {
    Stream stream(backend, pool_);
    const absl::Status status = Combine(stream, ArgsOf(p, precision));
    EXPECT_TRUE(status.ok()) << status;
    return {p.residual.begin(), p.residual.begin() + p.tokens * p.hidden};
  }

  ThreadPool pool_{2};
};

// The sum of the magnitudes of everything that is added up for element (t, h).
double Magnitude(const Problem& p, std::int64_t t, std::int64_t h) {
  const auto at = [&](std::int64_t row) { return static_cast<std::size_t>(row * p.hidden + h); };
  double sum = std::abs(static_cast<double>(p.residual[at(t)]));
  if (p.shared) sum += std::abs(static_cast<double>(p.shared_out[at(t)]));
  for (std::int64_t k = 0; k < p.chosen; ++k) {
    const auto slot = static_cast<std::size_t>(t * p.chosen + k);
    sum += std::abs(static_cast<double>(p.weights[slot]) *
                    static_cast<double>(p.expert_out[at(p.output_row[slot])]));
  }
  return sum;
}

TEST_P(CombineTest, AgreesWithTheReferenceOverAwkwardSizes) {
  for (const std::int64_t hidden : {1, 7, 8, 15, 16, 17, 33, 128, 2048}) {
    for (const std::int64_t tokens : {0, 1, 5, 40}) {
      for (const std::int64_t chosen : {1, 6, 16}) {
        const Problem p = MakeProblem(tokens, chosen, hidden, tokens != 5, 3);
        const std::vector<float> want = Run(p, Precision::kFp32, Backend::kReference);
        const std::vector<float> got = Run(p, Precision::kFp32, GetParam());
        for (std::int64_t i = 0; i < tokens * hidden; ++i) {
          const auto index = static_cast<std::size_t>(i);
          // K products and sums, and two more sums, each rounded once in f32.
          ASSERT_NEAR(
              got[index], want[index],
              static_cast<double>(2 * chosen + 2) * 0x1p-24 * Magnitude(p, i / hidden, i % hidden));
        }
      }
    }
  }
}

TEST_P(CombineTest, Bf16RoundsOnceAfterTheSlotsThenAfterEachAddition) {
  // Above 1 the bf16 are 2^-7 apart; every order of rounding gives another result below.
  constexpr float kTiny = 0x1p-9F;
  Problem p{.tokens = 1,
            .chosen = 2,
            .hidden = 3,
            .shared = true,
            .expert_out = {2 * kTiny, 8 * kTiny, 4.0F,  // row 0, weight 0.5
                           1.0F, 1.0F, 1.0F},           // row 1, weight 1
            .weights = {1.0F, 0.5F},
            .shared_out = {kTiny, 3 * kTiny, kTiny},
            .residual = {kTiny, kTiny, 64.0F},
            .output_row = {1, 0}};
  // Column 0: 1 + 2^-9 -> 1; + 2^-9 -> 1; + 2^-9 -> 1, though the exact sum rounds up.
  // Column 1: 1 + 2^-7 stays; + 3 * 2^-9 -> 1 + 2^-6; + 2^-9 -> 1 + 2^-6.
  // Column 2: 3; + 2^-9 -> 3; + 64 -> 67.
  EXPECT_THAT(Run(p, Precision::kBf16, GetParam()),
              testing::ElementsAre(1.0F, 1.0F + 0x1p-6F, 67.0F));
}

TEST_P(CombineTest, Bf16DiffersFromTheReferenceByAtMostAFlippedRounding) {
  const Problem p = MakeProblem(33, 6, 131, true, 5);
  const std::vector<float> want = Run(p, Precision::kBf16, Backend::kReference);
  const std::vector<float> got = Run(p, Precision::kBf16, GetParam());
  int different = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(got[i], RoundToBf16(got[i]));
    different += got[i] != want[i] ? 1 : 0;
    const auto index = static_cast<std::int64_t>(i);
    ASSERT_NEAR(got[i], want[i], 3 * 0x1p-8 * Magnitude(p, index / p.hidden, index % p.hidden));
  }
  EXPECT_LE(different, 4) << "a flip needs a sum within 1e-6 of halfway between two bf16";
}

TEST_P(CombineTest, ARowsBitsDoNotDependOnTheOthers) {
  for (const Precision precision : {Precision::kFp32, Precision::kBf16}) {
    const Problem all = MakeProblem(512, 6, 72, true, 9);
    const std::vector<float> want = Run(all, precision, GetParam());
    for (const std::int64_t tokens : {1, 2, 7, 64}) {
      Problem few = all;
      few.tokens = tokens;
      few.output_row.resize(static_cast<std::size_t>(tokens * few.chosen));
      const std::vector<float> got = Run(few, precision, GetParam());
      EXPECT_EQ(std::memcmp(got.data(), want.data(), got.size() * sizeof(float)), 0)
          << tokens << " tokens";
    }
  }
}

TEST(CombineErrorTest, RowsThatDoNotExistAndShapesThatDisagreeAreRefused) {
  ThreadPool pool(1);
  Stream stream(Backend::kReference, pool);
  Problem p = MakeProblem(2, 2, 4, true, 1);
  const std::vector<float> before = p.residual;
  for (const std::int32_t bad : {7, -1}) {  // 2 * 2 + 3 rows exist
    p.output_row[3] = bad;
    EXPECT_EQ(Combine(stream, ArgsOf(p, Precision::kFp32)).code(),
              absl::StatusCode::kInvalidArgument);
  }
  p.output_row[3] = 0;
  CombineArgs args = ArgsOf(p, Precision::kFp32);
  args.shared_out.rows = 1;
  EXPECT_EQ(Combine(stream, args).code(), absl::StatusCode::kInvalidArgument);
  args = ArgsOf(p, Precision::kFp32);
  args.output_row.remove_suffix(1);
  EXPECT_EQ(Combine(stream, args).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(p.residual, before);
}

INSTANTIATE_TEST_SUITE_P(Backends, CombineTest, testing::ValuesIn(SupportedBackends()),
                         [](const auto& backend) {
                           std::string name = Name(backend.param);
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace sextant
