#include "kernels/norm/rms_norm_cuda.h"

#include <cmath>
#include <optional>
#include <vector>

#include "common/device/stream.h"
#include "kernels/norm/rms_norm.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/values.h"

namespace sextant {
namespace {

struct Rows {
  std::vector<Bf16> h;
  std::vector<Bf16> y;
};

// `h` holds packed rows; y starts as sevens.
Rows Normalise(const std::vector<Bf16>& h, const std::optional<std::vector<Bf16>>& delta,
               const std::vector<Bf16>& weight, std::optional<std::int32_t> live_rows = {}) {
  const auto cols = static_cast<std::int64_t>(weight.size());
  const DeviceArray<Bf16> on_device(h);
  const DeviceArray<Bf16> more(delta.value_or(std::vector<Bf16>{}));
  const DeviceArray<Bf16> w(weight);
  const DeviceArray<Bf16> y(h.size(), ToBf16(7.0F));
  const DeviceArray<std::int32_t> live(1, live_rows.value_or(0));
  EXPECT_TRUE(Ran(RmsNormCuda({}, {.h = on_device.data(),
                                   .h_stride = cols,
                                   .delta = delta ? more.data() : nullptr,
                                   .delta_stride = cols,
                                   .weight = w.data(),
                                   .y = y.data(),
                                   .y_stride = cols,
                                   .rows = static_cast<std::int64_t>(h.size()) / cols,
                                   .cols = cols,
                                   .live_rows = live_rows ? live.data() : nullptr})));
  return {on_device.Read(), y.Read()};
}

Rows Expected(const std::vector<Bf16>& h, const std::optional<std::vector<Bf16>>& delta,
              const std::vector<Bf16>& weight) {
  const auto cols = static_cast<std::int64_t>(weight.size());
  ThreadPool pool(1);
  Stream oracle(Backend::kReference, pool);
  std::vector<float> sum = Widened(h);
  std::vector<float> more = delta ? Widened(*delta) : std::vector<float>(h.size(), 0.0F);
  std::vector<float> y(h.size());
  const auto matrix = [&](std::vector<float>& values) {
    return MatrixView<float>(values.data(), static_cast<std::int64_t>(h.size()) / cols, cols);
  };
  EXPECT_TRUE(AddRmsNorm(oracle, {.h = matrix(sum),
                                  .delta = matrix(more),
                                  .weight = {weight.data(), DType::kBf16, 1, cols},
                                  .y = matrix(y)})
                  .ok());
  Rows rows;
  for (const float value : sum) rows.h.push_back(ToBf16(value));
  for (const float value : y) rows.y.push_back(ToBf16(value));
  return rows;
}

class RmsNormCudaTest : public DeviceTest {};

TEST_F(RmsNormCudaTest, AgreesWithTheReference) {
  for (const std::int64_t cols : {8, 16, 248, 256, 264, 512, 1536, 2048, 2056, 5120, 8192}) {
    const std::vector<Bf16> h = NormalBf16(3 * cols, 1.5, 1);
    const std::vector<Bf16> weight = NormalBf16(cols, 1.0, 2);
    for (const bool adds : {false, true}) {
      std::optional<std::vector<Bf16>> delta;
      if (adds) delta = NormalBf16(3 * cols, 1.0, 3);
      const Rows rows = Normalise(h, delta, weight);
      const Rows expected = Expected(h, delta, weight);
      EXPECT_EQ(rows.h, expected.h) << cols;
      std::size_t unequal = 0;
      for (std::size_t i = 0; i < h.size(); ++i) {
        // The normalised value may round the other way (2^-7 of itself), and then its product too.
        ASSERT_NEAR(ToFloat(rows.y[i]), ToFloat(expected.y[i]),
                    std::ldexp(std::abs(ToFloat(expected.y[i])), -6))
            << "element " << i << " of rows of " << cols;
        if (rows.y[i] != expected.y[i]) ++unequal;
      }
      EXPECT_LE(unequal, h.size() / 100 + 1) << cols;
    }
  }
}

TEST_F(RmsNormCudaTest, RowsHaveTheSameBytesAloneAndInABatch) {
  constexpr std::int64_t kCols = 2056;
  constexpr std::int64_t kRows = 64;
  const std::vector<Bf16> h = NormalBf16(kRows * kCols, 1.5, 4);
  const std::vector<Bf16> delta = NormalBf16(kRows * kCols, 1.5, 5);
  const std::vector<Bf16> weight = NormalBf16(kCols, 1.0, 6);
  const Rows together = Normalise(h, delta, weight);
  for (const std::int64_t count : {1, 7}) {
    for (std::int64_t first = 0; first + count <= kRows; first += 13) {
      const Rows some =
          Normalise(RowsOf(h, first, count, kCols), RowsOf(delta, first, count, kCols), weight);
      EXPECT_EQ(some.y, RowsOf(together.y, first, count, kCols)) << count << " from " << first;
    }
  }
}

TEST_F(RmsNormCudaTest, RowsThatAreNotLiveAreLeftAlone) {
  constexpr std::int64_t kCols = 64;
  const std::vector<Bf16> h = NormalBf16(4 * kCols, 1.5, 7);
  const std::vector<Bf16> weight = NormalBf16(kCols, 1.0, 8);
  const Rows all = Normalise(h, h, weight);
  const Rows some = Normalise(h, h, weight, 3);
  EXPECT_EQ(RowsOf(some.y, 0, 3, kCols), RowsOf(all.y, 0, 3, kCols));
  EXPECT_EQ(RowsOf(some.y, 3, 1, kCols), std::vector<Bf16>(kCols, ToBf16(7.0F)));
  EXPECT_EQ(RowsOf(some.h, 3, 1, kCols), RowsOf(h, 3, 1, kCols));
}

TEST_F(RmsNormCudaTest, RefusesWhatDoesNotFit) {
  const DeviceArray<Bf16> rows(64, ToBf16(1.0F));
  RmsNormCudaArgs args{.h = rows.data(),
                       .h_stride = 32,
                       .weight = rows.data(),
                       .y = rows.data(),
                       .y_stride = 32,
                       .rows = 2,
                       .cols = 32};
  EXPECT_TRUE(Ran(RmsNormCuda({}, args)));
  const auto refused = [&](RmsNormCudaArgs bad) {
    return RmsNormCuda({}, bad).error == DeviceError::kInvalidArgument;
  };
  args.cols = 12;
  EXPECT_TRUE(refused(args));
  args.cols = 8200;
  EXPECT_TRUE(refused(args));
  args.cols = 32;
  args.h_stride = 24;
  EXPECT_TRUE(refused(args));
  args.h_stride = 32;
  args.weight = rows.data() + 1;
  EXPECT_TRUE(refused(args));
}

}  // namespace
}  // namespace sextant
