#include "kernels/feed_forward/silu_product_cuda.h"

#include <cmath>
#include <vector>

#include "tests/support/device/device_memory.h"
#include "tests/support/device/values.h"

namespace sextant {
namespace {

std::vector<Bf16> Product(const std::vector<Bf16>& x, std::int64_t width) {
  const DeviceArray<Bf16> in(x);
  const DeviceArray<Bf16> out(x.size() / 2, ToBf16(7.0F));
  EXPECT_TRUE(Ran(SiluProductCuda({}, {.x = in.data(),
                                       .x_stride = 2 * width,
                                       .y = out.data(),
                                       .y_stride = width,
                                       .rows = static_cast<std::int64_t>(x.size()) / (2 * width),
                                       .width = width})));
  return out.Read();
}

class SiluProductCudaTest : public DeviceTest {};

TEST_F(SiluProductCudaTest, AgreesWithExactArithmetic) {
  for (const std::int64_t width : {8, 24, 1024, 1032, 2816}) {
    constexpr std::int64_t kRows = 3;
    std::vector<Bf16> x = NormalBf16(kRows * 2 * width, 3.0, 1);
    x[0] = ToBf16(-200.0F);  // exp overflows: silu is -0
    x[1] = ToBf16(200.0F);
    const std::vector<Bf16> y = Product(x, width);
    std::size_t unequal = 0;
    for (std::int64_t t = 0; t < kRows; ++t) {
      for (std::int64_t f = 0; f < width; ++f) {
        const double gate = ToFloat(x[static_cast<std::size_t>(t * 2 * width + f)]);
        const double up = ToFloat(x[static_cast<std::size_t>(t * 2 * width + width + f)]);
        const double silu =
            static_cast<double>(RoundToBf16(static_cast<float>(gate / (1.0 + std::exp(-gate)))));
        const float expected = RoundToBf16(static_cast<float>(silu * up));
        const float actual = ToFloat(y[static_cast<std::size_t>(t * width + f)]);
        // silu may round the other way, by 2^-7 of itself at most, and the product after it; silu
        // of -200 is below what f32 holds.
        ASSERT_NEAR(actual, expected, std::ldexp(std::abs(expected), -6) + 1e-30F)
            << "row " << t << ", column " << f << " of " << width;
        if (actual != expected) ++unequal;
      }
    }
    EXPECT_LE(unequal, y.size() / 100 + 1) << width;
  }
}

TEST_F(SiluProductCudaTest, RowsHaveTheSameBytesAloneAndInABatch) {
  constexpr std::int64_t kWidth = 1032;
  const std::vector<Bf16> x = NormalBf16(40 * 2 * kWidth, 3.0, 2);
  const std::vector<Bf16> together = Product(x, kWidth);
  for (std::int64_t t = 0; t < 40; t += 9) {
    EXPECT_EQ(Product(RowsOf(x, t, 1, 2 * kWidth), kWidth), RowsOf(together, t, 1, kWidth));
  }
}

TEST_F(SiluProductCudaTest, RefusesWhatDoesNotFit) {
  const DeviceArray<Bf16> memory(64, ToBf16(1.0F));
  const auto error = [&](std::int64_t width, std::int64_t stride, const Bf16* x) {
    return SiluProductCuda({}, {.x = x,
                                .x_stride = stride,
                                .y = memory.data(),
                                .y_stride = width,
                                .rows = 1,
                                .width = width})
        .error;
  };
  EXPECT_EQ(error(12, 32, memory.data()), DeviceError::kInvalidArgument);
  EXPECT_EQ(error(16, 24, memory.data()), DeviceError::kInvalidArgument);
  EXPECT_EQ(error(16, 32, memory.data() + 1), DeviceError::kInvalidArgument);
}

}  // namespace
}  // namespace sextant
