#include "kernels/feed_forward/grouped_feed_forward.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/feed_forward/grouped_feed_forward_reference.h"
#include "kernels/linear/linear_reference.h"
#include "tests/unit/kernels/linear/random_matrix.h"

namespace sextant {
namespace {

struct Expert {
  RandomWeight gate, up, down;
  Expert(std::int64_t width, std::int64_t hidden, unsigned seed, DType dtype)
      : gate(width, hidden, seed, dtype),
        up(width, hidden, seed + 1, dtype),
        down(hidden, width, seed + 2, dtype) {}
  [[nodiscard]] FeedForwardWeights weights() const { return {gate.view(), up.view(), down.view()}; }
};

using Rows = std::vector<std::int32_t>;

// Every intermediate value is off by a few roundings of its own magnitude, and the sum over F
// carries them: eps |down| |h| with eps of the precision, where |h| <= |gate| |up|.
float Bound(const FeedForwardWeights& weights, MatrixView<const float> row, std::int64_t n,
            Precision precision) {
  const double eps = precision == Precision::kBf16 ? 0x1p-8 : 0x1p-24;
  const double depth = precision == Precision::kBf16
                           ? 5
                           : 16 + static_cast<double>(row.cols + weights.gate.rows) / 8;
  double total = 0;
  for (std::int64_t f = 0; f < weights.gate.rows; ++f) {
    double gate = 0;
    double up = 0;
    for (std::int64_t k = 0; k < row.cols; ++k) {
      gate += std::abs(static_cast<double>(row.Row(0)[k]) * weights.gate.At(f, k));
      up += std::abs(static_cast<double>(row.Row(0)[k]) * weights.up.At(f, k));
    }
    total += gate * up * std::abs(static_cast<double>(weights.down.At(n, f)));
  }
  return static_cast<float>(total * depth * eps + 1e-30);
}

void ExpectMatchesReference(Stream& stream, std::int64_t tokens, std::int64_t hidden,
                            const std::vector<std::int64_t>& widths, const std::vector<Rows>& rows,
                            DType dtype, Precision precision) {
  SCOPED_TRACE(absl::StrCat(Name(stream.backend()), " T=", tokens, " H=", hidden, " ", Name(dtype),
                            " ", Name(StorageType(precision))));
  RandomMatrix x(tokens, hidden, 1, precision);
  std::vector<Expert> experts;
  std::vector<ExpertRows> calls;
  std::int64_t total = 0;
  for (const std::int64_t width : widths) {
    experts.emplace_back(width, hidden, static_cast<unsigned>(10 + 3 * experts.size()), dtype);
  }
  for (std::size_t i = 0; i < widths.size(); ++i) {
    calls.push_back({experts[i].weights(), rows[i]});
    total += static_cast<std::int64_t>(rows[i].size());
  }
  RandomMatrix y(total, hidden, 2, precision);
  RandomMatrix expected(total, hidden, 3, precision);
  ASSERT_TRUE(GroupedFeedForward(stream, {x.view(), calls, y.view(), precision}).ok());
  GroupedFeedForwardReference({x.view(), calls, expected.view(), precision});
  std::int64_t out = 0;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    for (const std::int32_t row : rows[i]) {
      for (std::int64_t n = 0; n < hidden; ++n) {
        ASSERT_NEAR(y.view().Row(out)[n], expected.view().Row(out)[n],
                    Bound(calls[i].weights, x.view().Rows(row, 1), n, precision))
            << "expert " << i << ", row " << row << ", output " << n;
      }
      ++out;
    }
  }
  EXPECT_TRUE(y.PaddingIsUntouched());
}

class GroupedFeedForwardOnBackend : public testing::TestWithParam<Backend> {};

INSTANTIATE_TEST_SUITE_P(Backends, GroupedFeedForwardOnBackend,
                         testing::ValuesIn(SupportedBackends()),
                         [](const auto& param) { return AsTestName(param.param); });

TEST_P(GroupedFeedForwardOnBackend, MatchesReference) {
  ThreadPool pool(2);
  Stream stream(GetParam(), pool);
  const Rows all_on_one = {0, 1, 2, 3, 4, 5, 6, 7, 8, 3};
  for (const Precision precision : {Precision::kBf16, Precision::kFp32}) {
    for (const DType dtype : {DType::kBf16, DType::kFp32}) {
      for (const auto& [hidden, width] : {std::pair(33, 17), std::pair(64, 96), std::pair(7, 1)}) {
        // An expert with no row, one with a row twice, experts of different widths.
        ASSERT_NO_FATAL_FAILURE(ExpectMatchesReference(stream, 9, hidden, {width, width + 5, 1},
                                                       {{8, 0, 8}, {}, {1, 2, 3, 4}}, dtype,
                                                       precision));
        ASSERT_NO_FATAL_FAILURE(ExpectMatchesReference(stream, 9, hidden, {width, width},
                                                       {{}, all_on_one}, dtype, precision));
        ASSERT_NO_FATAL_FAILURE(
            ExpectMatchesReference(stream, 9, hidden, {width}, {{5}}, dtype, precision));
        ASSERT_NO_FATAL_FAILURE(
            ExpectMatchesReference(stream, 0, hidden, {width}, {{}}, dtype, precision));
      }
    }
  }
}

TEST_P(GroupedFeedForwardOnBackend, WeightTypesMayDifferBetweenUpAndDown) {
  ThreadPool pool(2);
  Stream stream(GetParam(), pool);
  for (const Precision precision : {Precision::kBf16, Precision::kFp32}) {
    RandomMatrix x(6, 40, 1, precision);
    const Expert wide(21, 40, 2, DType::kFp32);
    const Expert narrow(21, 40, 2, DType::kBf16);
    for (const FeedForwardWeights& weights :
         {FeedForwardWeights{wide.gate.view(), wide.up.view(), narrow.down.view()},
          FeedForwardWeights{narrow.gate.view(), narrow.up.view(), wide.down.view()}}) {
      const ExpertRows expert = {weights, {}};
      RandomMatrix y(6, 40, 3, precision);
      RandomMatrix expected(6, 40, 4, precision);
      ASSERT_TRUE(GroupedFeedForward(stream, {x.view(), {&expert, 1}, y.view(), precision}).ok());
      GroupedFeedForwardReference({x.view(), {&expert, 1}, expected.view(), precision});
      for (std::int64_t t = 0; t < 6; ++t) {
        for (std::int64_t n = 0; n < 40; ++n) {
          ASSERT_NEAR(y.view().Row(t)[n], expected.view().Row(t)[n],
                      Bound(weights, x.view().Rows(t, 1), n, precision));
        }
      }
    }
  }
}

TEST_P(GroupedFeedForwardOnBackend, RowHasTheSameBitsInAnyCompanyAndOnAnyNumberOfThreads) {
  const std::int64_t tokens = GetParam() == Backend::kReference ? 20 : 600;
  constexpr std::int64_t kHidden = 130;
  constexpr std::int64_t kWidth = 75;
  for (const Precision precision : {Precision::kBf16, Precision::kFp32}) {
    RandomMatrix x(tokens, kHidden, 1, precision);
    const Expert expert(kWidth, kHidden, 2, DType::kBf16);
    ThreadPool alone(1);
    Stream stream(GetParam(), alone);
    RandomMatrix one_by_one(tokens, kHidden, 3, precision);
    for (std::int32_t t = 0; t < tokens; ++t) {
      const ExpertRows one = {expert.weights(), absl::MakeConstSpan(&t, 1)};
      ASSERT_TRUE(
          GroupedFeedForward(stream, {x.view(), {&one, 1}, one_by_one.view().Rows(t, 1), precision})
              .ok());
    }
    for (const int threads : {1, 2, 3}) {
      ThreadPool pool(threads);
      Stream many(GetParam(), pool);
      const ExpertRows all = {expert.weights(), std::nullopt};
      RandomMatrix y(tokens, kHidden, 4, precision);
      ASSERT_TRUE(GroupedFeedForward(many, {x.view(), {&all, 1}, y.view(), precision}).ok());
      EXPECT_EQ(y.Values(), one_by_one.Values()) << threads << " threads";

      // Two calls' worth of experts that share the rows unevenly, the last rows first.
      Rows front;
      Rows back;
      for (std::int32_t t = 0; t < tokens; ++t) {
        (t % 7 == 0 ? front : back).push_back(static_cast<std::int32_t>(tokens) - 1 - t);
      }
      const ExpertRows two[] = {{expert.weights(), front}, {expert.weights(), back}};
      ASSERT_TRUE(GroupedFeedForward(many, {x.view(), two, y.view(), precision}).ok());
      front.insert(front.end(), back.begin(), back.end());
      for (std::size_t i = 0; i < front.size(); ++i) {
        ASSERT_EQ(std::memcmp(y.view().Row(static_cast<std::int64_t>(i)),
                              one_by_one.view().Row(front[i]), kHidden * sizeof(float)),
                  0)
            << "row " << front[i] << ", " << threads << " threads";
      }
    }
  }
}

TEST_P(GroupedFeedForwardOnBackend, RefusesWhatDoesNotFitAndLeavesOutputsAlone) {
  ThreadPool pool(1);
  Stream stream(GetParam(), pool);
  RandomMatrix x(3, 8, 1, Precision::kBf16);
  RandomMatrix y(2, 8, 2, Precision::kBf16);
  const Expert expert(5, 8, 3, DType::kBf16);
  const std::vector<float> before = y.Values();
  const Rows rows = {0, 2};
  const auto code = [&](const ExpertRows& call, MatrixView<float> out) {
    return GroupedFeedForward(stream, {x.view(), {&call, 1}, out, Precision::kBf16}).code();
  };
  ExpertRows call = {expert.weights(), rows};
  EXPECT_EQ(code(call, y.view().Rows(0, 1)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(call, y.view().Cols(0, 7)), absl::StatusCode::kInvalidArgument);
  for (const Rows& wrong : {Rows{0, 3}, Rows{-1, 0}}) {
    EXPECT_EQ(code({expert.weights(), wrong}, y.view()), absl::StatusCode::kInvalidArgument);
  }
  for (int which = 0; which < 5; ++which) {
    ExpertRows bad = call;
    if (which == 0) bad.weights.gate.cols = 7;
    if (which == 1) bad.weights.up.rows = 4;
    if (which == 2) bad.weights.down.cols = 4;
    if (which == 3) bad.weights.down.rows = 9;
    if (which == 4) bad.weights.up.dtype = DType::kFp32;
    EXPECT_EQ(code(bad, y.view()), absl::StatusCode::kInvalidArgument) << which;
  }
  EXPECT_EQ(y.Values(), before);
  EXPECT_EQ(code(call, y.view()), absl::StatusCode::kOk);
}

}  // namespace
}  // namespace sextant
