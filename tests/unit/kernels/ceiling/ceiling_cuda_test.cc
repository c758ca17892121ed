#include "kernels/ceiling/ceiling_cuda.h"

#include <random>
#include <vector>

#include "tests/support/device/device_memory.h"

namespace sextant {
namespace {

class CeilingCudaTest : public DeviceTest {};

TEST_F(CeilingCudaTest, ReadsEveryWordOnce) {
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{4}, std::size_t{4096 * 4 + 4}, std::size_t{50000}}) {
    std::mt19937 generator(1);
    std::vector<std::uint32_t> words(count);
    std::uint32_t expected = 0;
    for (std::uint32_t& word : words) expected ^= word = static_cast<std::uint32_t>(generator());
    const DeviceArray<std::uint32_t> from(words);
    const DeviceArray<std::uint32_t> found(3, 0xffffffffU);
    ASSERT_TRUE(Ran(ReadCeilingCuda({}, {.from = from.data(),
                                         .bytes = static_cast<std::int64_t>(4 * count),
                                         .blocks = 3,
                                         .words = found.data()})));
    std::uint32_t all = 0;
    for (const std::uint32_t word : found.Read()) all ^= word;
    EXPECT_EQ(all, expected) << count;
  }
}

TEST_F(CeilingCudaTest, MultipliesAsOftenAsItSays) {
  const DeviceArray<float> sums(2, -1.0F);
  ASSERT_TRUE(Ran(ProductCeilingCuda({}, {.rounds = 5, .blocks = 2, .sums = sums.data()})));
  EXPECT_EQ(sums.Read(), std::vector<float>(2, 16.0F * 5.0F * kProductsOfARound));
}

TEST_F(CeilingCudaTest, RefusesWhatDoesNotFit) {
  EXPECT_EQ(ReadCeilingCuda({}, {.bytes = 8}).error, DeviceError::kInvalidArgument);
  EXPECT_EQ(ProductCeilingCuda({}, {.blocks = 0}).error, DeviceError::kInvalidArgument);
}

}  // namespace
}  // namespace sextant
