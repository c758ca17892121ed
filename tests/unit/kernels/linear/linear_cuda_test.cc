#include "kernels/linear/linear_cuda.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include "kernels/linear/linear_reference.h"
#include "kernels/linear/linear_tile_cuda.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/values.h"

namespace sextant {
namespace {

constexpr std::int64_t kGap = 8;  // after each row of x and y
const Bf16 kUntouched = ToBf16(7.0F);

struct Size {
  std::int64_t rows, outputs, depth;
};

// x and W of a product, on the host and on the device.
class Product {
 public:
  explicit Product(const Size& size)
      : size_(size),
        x_(NormalBf16(size.rows * (size.depth + kGap), 1.0, 1)),
        weight_(NormalBf16(size.outputs * size.depth, 0.5, 2)),
        x_there_(x_),
        weight_there_(weight_) {}

  [[nodiscard]] const Size& size() const { return size_; }
  // All rows of y, still to be told where it is.
  [[nodiscard]] LinearCudaArgs args() const {
    return {.x = x_there_.data(),
            .x_stride = size_.depth + kGap,
            .weight = weight_there_.data(),
            .y_stride = size_.outputs + kGap,
            .rows = size_.rows,
            .outputs = size_.outputs,
            .depth = size_.depth};
  }

  // The sums, rounded under kBf16.
  [[nodiscard]] std::vector<float> Expected(Precision precision) const {
    const std::vector<float> x = Widened(x_);
    std::vector<float> y(static_cast<std::size_t>(size_.rows * size_.outputs));
    LinearReference({.x = {x.data(), size_.rows, size_.depth, size_.depth + kGap},
                     .weight = {weight_.data(), DType::kBf16, size_.outputs, size_.depth},
                     .y = {y.data(), size_.rows, size_.outputs},
                     .precision = precision});
    return y;
  }

  // A step of 16 adds 17 terms, each of which may lose a unit of the last place of the largest;
  // none is larger than the sum of all magnitudes.
  [[nodiscard]] double Bound(std::int64_t row, std::int64_t output) const {
    double magnitude = 0;
    for (std::int64_t k = 0; k < size_.depth; ++k) {
      magnitude += std::abs(ToFloat(x_[static_cast<std::size_t>(row * (size_.depth + kGap) + k)]) *
                            ToFloat(weight_[static_cast<std::size_t>(output * size_.depth + k)]));
    }
    const auto steps = static_cast<double>(DivideUp(size_.depth, 16));
    return magnitude * steps * 17 * std::ldexp(1.0, -23);
  }

 private:
  Size size_;
  std::vector<Bf16> x_;
  std::vector<Bf16> weight_;
  DeviceArray<Bf16> x_there_;
  DeviceArray<Bf16> weight_there_;
};

using Run = std::function<DeviceStatus(const LinearCudaArgs&)>;

Run OnTile(LinearTile tile) {
  return [tile](const LinearCudaArgs& args) { return LinearCudaWithTile({}, args, tile); };
}
Run Chosen() {
  return [](const LinearCudaArgs& args) { return LinearCuda({}, args); };
}

// y, packed; the room between its rows is seen to be untouched.
template <typename T>
std::vector<T> WithoutGaps(const std::vector<T>& y, const LinearCudaArgs& args, T untouched) {
  std::vector<T> packed;
  for (std::int64_t row = 0; row < args.rows; ++row) {
    const auto begin = y.begin() + row * args.y_stride;
    packed.insert(packed.end(), begin, begin + args.outputs);
    for (std::int64_t i = args.outputs; i < args.y_stride; ++i) EXPECT_EQ(begin[i], untouched);
  }
  return packed;
}

std::vector<Bf16> Multiply(LinearCudaArgs args, const Run& run) {
  const DeviceArray<Bf16> y(static_cast<std::size_t>(args.rows * args.y_stride), kUntouched);
  args.y = y.data();
  EXPECT_TRUE(Ran(run(args)));
  return WithoutGaps(y.Read(), args, kUntouched);
}

std::vector<float> MultiplyUnrounded(LinearCudaArgs args, const Run& run) {
  const DeviceArray<float> y(static_cast<std::size_t>(args.rows * args.y_stride), 7.0F);
  args.y_f32 = y.data();
  EXPECT_TRUE(Ran(run(args)));
  return WithoutGaps(y.Read(), args, 7.0F);
}

void ExpectAgreement(const Product& product, LinearTile tile) {
  const auto& [rows, outputs, depth] = product.size();
  SCOPED_TRACE(testing::Message() << rows << " rows, " << outputs << " x " << depth << ", tile "
                                  << static_cast<int>(tile));
  const std::vector<Bf16> y = Multiply(product.args(), OnTile(tile));
  const std::vector<float> sums = MultiplyUnrounded(product.args(), OnTile(tile));
  const std::vector<float> expected = product.Expected(Precision::kFp32);
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t output = 0; output < outputs; ++output) {
      const auto i = static_cast<std::size_t>(row * outputs + output);
      ASSERT_NEAR(sums[i], expected[i], product.Bound(row, output))
          << "row " << row << ", output " << output;
      ASSERT_EQ(y[i], ToBf16(sums[i])) << "row " << row << ", output " << output;
    }
  }
}

class LinearCudaTest : public DeviceTest {};

TEST_F(LinearCudaTest, AgreesWithTheReferenceOnEveryTile) {
  std::vector<Size> sizes;
  for (const std::int64_t rows : {1, 2, 15, 16, 17, 63, 64, 65, 130})
    sizes.push_back({rows, 24, 72});
  for (const std::int64_t outputs : {8, 64, 136, 576}) sizes.push_back({17, outputs, 24});
  for (const std::int64_t depth : {8, 64, 200, 576}) sizes.push_back({3, 40, depth});
  for (const Size& size : sizes) {
    const Product product(size);
    for (const LinearTile tile : kLinearTiles) {
      ASSERT_NO_FATAL_FAILURE(ExpectAgreement(product, tile));
    }
  }
}

TEST_F(LinearCudaTest, RoundedResultsAreThoseOfTheReference) {
  const Product product({40, 64, 576});
  const std::vector<Bf16> y = Multiply(product.args(), Chosen());
  const std::vector<float> expected = product.Expected(Precision::kBf16);
  std::size_t unequal = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    // Where the sum lies between two values of bf16, one or the other.
    ASSERT_NEAR(ToFloat(y[i]), expected[i], std::ldexp(std::abs(expected[i]), -7) + 1e-4) << i;
    if (ToFloat(y[i]) != expected[i]) ++unequal;
  }
  EXPECT_LE(unequal, y.size() / 50);
}

TEST_F(LinearCudaTest, RowsHaveTheSameBytesAloneAndInABatchOnEveryTile) {
  constexpr std::int64_t kRows = 130;
  constexpr std::int64_t kOutputs = 136;
  const Product product({kRows, kOutputs, 200});
  const std::vector<float> together = MultiplyUnrounded(product.args(), OnTile(LinearTile::k32x16));
  for (const LinearTile tile : kLinearTiles) {
    EXPECT_EQ(MultiplyUnrounded(product.args(), OnTile(tile)), together);
    for (const auto& [first, count] : {std::pair(0, 1), std::pair(15, 1), std::pair(64, 7),
                                       std::pair(129, 1), std::pair(31, 70)}) {
      LinearCudaArgs some = product.args();
      some.x += first * some.x_stride;
      some.rows = count;
      EXPECT_EQ(MultiplyUnrounded(some, OnTile(tile)), RowsOf(together, first, count, kOutputs))
          << count << " from " << first << ", tile " << static_cast<int>(tile);
    }
  }
}

TEST_F(LinearCudaTest, RowsHaveTheSameBytesWhateverTileIsChosen) {
  const Product product({70, 64, 72});
  const std::vector<Bf16> together = Multiply(product.args(), Chosen());
  for (const std::int64_t rows : {1, 32, 33, 64, 65}) {
    LinearCudaArgs some = product.args();
    some.rows = rows;
    EXPECT_EQ(Multiply(some, Chosen()), RowsOf(together, 0, rows, 64)) << rows;
  }
}

TEST_F(LinearCudaTest, RowsOfXAreThoseThatAreNamed) {
  const Product product({20, 40, 72});
  std::vector<std::int32_t> named;
  for (std::int32_t i = 0; i < 70; ++i) named.push_back(i * 7 % 20);
  const DeviceArray<std::int32_t> x_rows(named);
  for (const LinearTile tile : kLinearTiles) {
    const std::vector<Bf16> all = Multiply(product.args(), OnTile(tile));
    LinearCudaArgs args = product.args();
    args.x_rows = x_rows.data();
    args.rows = 70;
    const std::vector<Bf16> y = Multiply(args, OnTile(tile));
    for (std::size_t i = 0; i < named.size(); ++i) {
      EXPECT_EQ(RowsOf(y, static_cast<std::int64_t>(i), 1, 40), RowsOf(all, named[i], 1, 40)) << i;
    }
  }
}

TEST_F(LinearCudaTest, RowsThatAreNotLiveAreLeftAlone) {
  constexpr std::int64_t kOutputs = 40;
  const Product product({70, kOutputs, 72});
  for (const LinearTile tile : kLinearTiles) {
    const std::vector<Bf16> all = Multiply(product.args(), OnTile(tile));
    const std::vector<float> sums = MultiplyUnrounded(product.args(), OnTile(tile));
    for (const std::int32_t live : {0, 1, 17, 64, 70, 100}) {
      const DeviceArray<std::int32_t> live_rows(1, live);
      LinearCudaArgs args = product.args();
      args.live_rows = live_rows.data();
      const auto rows = std::min<std::int64_t>(live, 70);
      std::vector<Bf16> expected = RowsOf(all, 0, rows, kOutputs);
      expected.resize(all.size(), kUntouched);
      EXPECT_EQ(Multiply(args, OnTile(tile)), expected) << live;
      std::vector<float> unrounded = RowsOf(sums, 0, rows, kOutputs);
      unrounded.resize(sums.size(), 7.0F);
      EXPECT_EQ(MultiplyUnrounded(args, OnTile(tile)), unrounded) << live;
    }
  }
}

TEST_F(LinearCudaTest, EveryTileReadsWhatItMustOnTheEmulator) {
  const Product product({128, 128, 128});
  const std::pair<LinearTile, std::pair<std::int64_t, std::int64_t>> tiles[] = {
      {LinearTile::k32x16, {32, 16}},
      {LinearTile::k128x16, {128, 16}},
      {LinearTile::k64x64, {64, 64}},
      {LinearTile::k128x128, {128, 128}}};
  for (const auto& [tile, shape] : tiles) {
    (void)TakeDeviceTraffic();
    (void)Multiply(product.args(), OnTile(tile));
    const DeviceTraffic traffic = TakeDeviceTraffic();
    const auto [outputs, rows] = shape;
    EXPECT_EQ(traffic.copied_bytes, (128 / rows + 128 / outputs) * 128 * 128 * 2);
    EXPECT_EQ(traffic.conflicting_rows, 0);
  }
}

TEST(LinearTileTest, FewRowsAreSmallBlocksUnlessThereAreManyOutputs) {
  for (const std::int64_t outputs : {64, 576, 2048, 3072, 10944}) {
    EXPECT_EQ(ChooseLinearTile(1, outputs), LinearTile::k32x16);
    EXPECT_EQ(ChooseLinearTile(32, outputs), LinearTile::k32x16);
    EXPECT_EQ(ChooseLinearTile(33, outputs), LinearTile::k64x64);
  }
  EXPECT_EQ(ChooseLinearTile(1, 102400), LinearTile::k128x16);
  EXPECT_EQ(ChooseLinearTile(64, 102400), LinearTile::k64x64);
}

TEST(LinearTileTest, ManyRowsAreLargeBlocksWhereEveryMultiprocessorGetsOne) {
  EXPECT_EQ(ChooseLinearTile(128, 2048), LinearTile::k64x64);
  EXPECT_EQ(ChooseLinearTile(2048, 64), LinearTile::k64x64);
  EXPECT_EQ(ChooseLinearTile(2048, 2048), LinearTile::k128x128);
  EXPECT_EQ(ChooseLinearTile(65, 102400), LinearTile::k128x128);
}

TEST_F(LinearCudaTest, RefusesWhatDoesNotFit) {
  const Product product({2, 24, 32});
  const DeviceArray<Bf16> rounded(64, kUntouched);
  const DeviceArray<float> unrounded(64, 7.0F);
  LinearCudaArgs good = product.args();
  good.y = rounded.data();
  EXPECT_TRUE(Ran(LinearCuda({}, good)));
  const std::vector<std::function<void(LinearCudaArgs&)>> changes = {
      [](LinearCudaArgs& args) { args.depth = 12; },
      [](LinearCudaArgs& args) { args.depth = 0; },
      [](LinearCudaArgs& args) { args.outputs = 12; },
      [](LinearCudaArgs& args) { args.outputs = 0; },
      [](LinearCudaArgs& args) { args.rows = -1; },
      [](LinearCudaArgs& args) { args.x = nullptr; },
      [](LinearCudaArgs& args) { args.x += 1; },
      [](LinearCudaArgs& args) { args.x_stride = 24; },
      [](LinearCudaArgs& args) { args.x_stride = 36; },
      [](LinearCudaArgs& args) { args.weight += 4; },
      [](LinearCudaArgs& args) { args.y = nullptr; },
      [](LinearCudaArgs& args) { args.y_stride = 16; },
      [&](LinearCudaArgs& args) { args.y_f32 = unrounded.data(); },
      [&](LinearCudaArgs& args) {
        args.y = nullptr;
        args.y_f32 = unrounded.data() + 1;
      },
      [&](LinearCudaArgs& args) {
        args.y = nullptr;
        args.y_f32 = unrounded.data();
        args.outputs = 6;
      },
      [](LinearCudaArgs& args) { args.x_stride = std::int64_t{1} << 31; },
      [](LinearCudaArgs& args) {
        args.outputs = std::int64_t{1} << 27;
        args.y_stride = args.outputs;
      },
      [](LinearCudaArgs& args) {
        args.depth = 8;
        args.outputs = std::int64_t{1} << 27;
        args.y_stride = args.outputs;
        args.rows = std::int64_t{1} << 24;
      },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    LinearCudaArgs bad = good;
    changes[i](bad);
    EXPECT_EQ(LinearCuda({}, bad).error, DeviceError::kInvalidArgument) << "change " << i;
  }
  good.rows = 0;
  EXPECT_TRUE(Ran(LinearCuda({}, good)));
}

}  // namespace
}  // namespace sextant
