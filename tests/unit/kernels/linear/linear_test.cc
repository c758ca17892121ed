#include "kernels/linear/linear.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/linear/linear_reference.h"
#include "tests/unit/kernels/linear/random_matrix.h"

namespace sextant {
namespace {

// |sum computed - sum exact| is at most about K eps |x||w|; rounding y to bf16 adds half its ulp.
float Bound(const LinearArgs& args, std::int64_t t, std::int64_t n) {
  double magnitude = 0;
  for (std::int64_t k = 0; k < args.weight.cols; ++k) {
    magnitude += std::abs(static_cast<double>(args.x.Row(t)[k]) * args.weight.At(n, k));
  }
  const double depth = 8 + static_cast<double>(args.weight.cols) / 16;
  const double sum = magnitude * depth * 0x1p-24;
  const double result = args.precision == Precision::kBf16 ? magnitude * 0x1p-8 : 0;
  return static_cast<float>(sum + result + 1e-30);
}

struct Case {
  std::int64_t rows, outputs, cols;
};

void ExpectMatchesReference(Stream& stream, const Case& size, DType dtype, Precision precision) {
  SCOPED_TRACE(absl::StrCat(Name(stream.backend()), " T=", size.rows, " N=", size.outputs,
                            " K=", size.cols, " ", Name(dtype), " ", Name(StorageType(precision))));
  RandomMatrix x(size.rows, size.cols, 1, precision);
  const RandomWeight weight(size.outputs, size.cols, 2, dtype);
  RandomMatrix y(size.rows, size.outputs, 3, precision);
  RandomMatrix expected(size.rows, size.outputs, 4, precision);
  const LinearArgs args = {x.view(), weight.view(), y.view(), precision};
  ASSERT_TRUE(Linear(stream, args).ok());
  LinearReference({x.view(), weight.view(), expected.view(), precision});
  for (std::int64_t t = 0; t < size.rows; ++t) {
    for (std::int64_t n = 0; n < size.outputs; ++n) {
      ASSERT_NEAR(y.view().Row(t)[n], expected.view().Row(t)[n], Bound(args, t, n))
          << "row " << t << ", output " << n;
    }
  }
  EXPECT_TRUE(y.PaddingIsUntouched());
}

class LinearOnBackend : public testing::TestWithParam<Backend> {};

INSTANTIATE_TEST_SUITE_P(Backends, LinearOnBackend, testing::ValuesIn(SupportedBackends()),
                         [](const auto& param) { return AsTestName(param.param); });

TEST_P(LinearOnBackend, MatchesReferenceOverAwkwardSizes) {
  ThreadPool pool(2);
  Stream stream(GetParam(), pool);
  for (const Precision precision : {Precision::kBf16, Precision::kFp32}) {
    for (const DType dtype : {DType::kBf16, DType::kFp32}) {
      for (const std::int64_t rows : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 64}) {
        for (const std::int64_t outputs : {0, 1, 3, 4, 5, 6, 7, 17}) {
          for (const std::int64_t cols : {0, 1, 15, 16, 17, 31, 32, 33, 64, 100}) {
            ASSERT_NO_FATAL_FAILURE(
                ExpectMatchesReference(stream, {rows, outputs, cols}, dtype, precision));
          }
        }
      }
    }
  }
}

TEST_P(LinearOnBackend, MatchesReferenceWhereKIsCutIntoBlocks) {
  ThreadPool pool(2);
  Stream stream(GetParam(), pool);
  for (const std::int64_t rows : {1, 6, 9}) {
    for (const std::int64_t cols : {2047, 2048, 2049, 4096, 4111}) {
      for (const DType dtype : {DType::kBf16, DType::kFp32}) {
        ASSERT_NO_FATAL_FAILURE(
            ExpectMatchesReference(stream, {rows, 13, cols}, dtype, Precision::kBf16));
        ASSERT_NO_FATAL_FAILURE(
            ExpectMatchesReference(stream, {rows, 13, cols}, dtype, Precision::kFp32));
      }
    }
  }
}

TEST_P(LinearOnBackend, RowHasTheSameBitsInAnyCompanyAndOnAnyNumberOfThreads) {
  constexpr std::int64_t kRows = 600;
  for (const auto& [outputs, cols] : {std::pair(67, 2048), std::pair(20, 2085)}) {
    for (const Precision precision : {Precision::kBf16, Precision::kFp32}) {
      if (GetParam() == Backend::kReference && cols != 2048) continue;
      RandomMatrix x(kRows, cols, 1, precision);
      const RandomWeight weight(outputs, cols, 2, DType::kBf16);
      ThreadPool alone(1);
      Stream stream(GetParam(), alone);
      const std::int64_t checked = GetParam() == Backend::kReference ? 70 : kRows;
      RandomMatrix one_by_one(checked, outputs, 3, precision);
      for (std::int64_t t = 0; t < checked; ++t) {
        ASSERT_TRUE(Linear(stream, {x.view().Rows(t, 1), weight.view(),
                                    one_by_one.view().Rows(t, 1), precision})
                        .ok());
      }
      for (const int threads : {1, 2, 3}) {
        ThreadPool pool(threads);
        Stream many(GetParam(), pool);
        for (const std::int64_t rows : {2, 5, 7, 8, 64, 512}) {
          if (rows > checked) continue;
          const std::int64_t first = checked - rows;
          RandomMatrix y(rows, outputs, 4, precision);
          ASSERT_TRUE(
              Linear(many, {x.view().Rows(first, rows), weight.view(), y.view(), precision}).ok());
          for (std::int64_t t = 0; t < rows; ++t) {
            ASSERT_EQ(std::memcmp(y.view().Row(t), one_by_one.view().Row(first + t),
                                  sizeof(float) * static_cast<std::size_t>(outputs)),
                      0)
                << "row " << t << " of " << rows << " on " << threads << " threads";
          }
        }
      }
    }
  }
}

TEST_P(LinearOnBackend, GroupGivesWhatSingleProductsGive) {
  ThreadPool pool(2);
  Stream stream(GetParam(), pool);
  RandomMatrix x(5, 96, 1, Precision::kBf16);
  RandomMatrix other(3, 40, 2, Precision::kBf16);
  const RandomWeight q(50, 96, 3, DType::kBf16);
  const RandomWeight kv(9, 96, 4, DType::kFp32);
  const RandomWeight out(11, 40, 5, DType::kBf16);
  RandomMatrix together[] = {RandomMatrix(5, 50, 6, Precision::kBf16),
                             RandomMatrix(5, 9, 7, Precision::kBf16),
                             RandomMatrix(3, 11, 8, Precision::kFp32)};
  RandomMatrix single[] = {RandomMatrix(5, 50, 9, Precision::kBf16),
                           RandomMatrix(5, 9, 10, Precision::kBf16),
                           RandomMatrix(3, 11, 11, Precision::kFp32)};
  const auto products = [&](RandomMatrix* y) {
    return std::vector<LinearArgs>{{x.view(), q.view(), y[0].view(), Precision::kBf16},
                                   {x.view(), kv.view(), y[1].view(), Precision::kBf16},
                                   {other.view(), out.view(), y[2].view(), Precision::kFp32}};
  };
  ASSERT_TRUE(LinearGroup(stream, products(together)).ok());
  for (const LinearArgs& args : products(single)) ASSERT_TRUE(Linear(stream, args).ok());
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(together[i].Values(), testing::Pointwise(testing::Eq(), single[i].Values()));
  }
}

TEST_P(LinearOnBackend, ScratchDoesNotGrowFromCallToCall) {
  ThreadPool pool(2);
  Stream stream(GetParam(), pool);
  RandomMatrix x(64, 2100, 1, Precision::kBf16);
  const RandomWeight weight(20, 2100, 2, DType::kBf16);
  RandomMatrix y(64, 20, 3, Precision::kBf16);
  const LinearArgs args = {x.view(), weight.view(), y.view(), Precision::kBf16};
  ASSERT_TRUE(Linear(stream, args).ok());
  const std::size_t held = stream.scratch().bytes_held();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Linear(stream, args).ok());
  EXPECT_EQ(stream.scratch().bytes_held(), held);
}

TEST_P(LinearOnBackend, RefusesWhatDoesNotFitAndLeavesOutputsAlone) {
  ThreadPool pool(1);
  Stream stream(GetParam(), pool);
  RandomMatrix x(2, 8, 1, Precision::kBf16);
  const RandomWeight weight(3, 8, 2, DType::kBf16);
  RandomMatrix y(2, 3, 3, Precision::kBf16);
  const std::vector<float> before = y.Values();
  const LinearArgs good = {x.view(), weight.view(), y.view(), Precision::kBf16};
  std::vector<LinearArgs> bad(6, good);
  bad[0].x.cols = 7;
  bad[1].weight.rows = 4;
  bad[2].y.rows = 1;
  bad[3].x.stride = 4;
  bad[4].y.stride = 1;
  bad[5].weight.dtype = DType::kFp16;
  for (const LinearArgs& args : bad) {
    EXPECT_EQ(Linear(stream, args).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(LinearGroup(stream, {good, args}).code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(y.Values(), before);
}

}  // namespace
}  // namespace sextant
