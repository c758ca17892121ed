#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "common/device/backend.h"
#include "common/device/stream.h"
#include "common/device/thread_pool.h"
#include "common/tensor/float_types.h"
#include "gtest/gtest.h"
#include "kernels/mla/latent_cache.h"
#include "kernels/norm/rms_norm.h"
#include "kernels/rope/apply_rope.h"
#include "kernels/rope/yarn.h"

namespace sextant {
namespace {

constexpr std::int64_t kRank = 24;
constexpr std::int64_t kRope = 8;
constexpr std::int64_t kWidth = kRank + kRope;
constexpr std::int64_t kSlots = 20;  // 5 blocks of 4

std::vector<float> Values(std::int64_t count, float step) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = RoundToBf16(static_cast<float>((i * 37) % 101) * step - 1.0F);
  }
  return values;
}

class WriteLatentsTest : public testing::TestWithParam<Backend> {
 protected:
  WriteLatentsTest() : pool_(2), stream_(GetParam(), pool_) {}

  // Writes `rows` rows to `slots` of a cache that held 5.0 everywhere.
  absl::Status Write(std::int64_t rows, const std::vector<std::int64_t>& slots,
                     Precision precision) {
    cache_.assign(kSlots * kWidth, 5.0F);
    cache16_.assign(kSlots * kWidth, ToBf16(5.0F));
    kva_ = Values(rows * kWidth, 0.03F);
    weight_ = Values(kRank, 0.02F);
    std::vector<std::int64_t> positions;
    for (std::int64_t t = 0; t < rows; ++t) positions.push_back(100 + 3 * t);
    cos_.resize(static_cast<std::size_t>(rows * kRope / 2));
    sin_.resize(cos_.size());
    RopeTable::Create({.theta = 10000.0, .rope_dim = kRope})
        ->Rows(positions, precision, {cos_.data(), rows, kRope / 2},
               {sin_.data(), rows, kRope / 2});
    const bool bf16 = precision == Precision::kBf16;
    return WriteLatents(stream_, {.kva = {kva_.data(), rows, kWidth},
                                  .norm_weight = {weight_.data(), DType::kFp32, 1, kRank},
                                  .eps = 1e-6F,
                                  .cos = {cos_.data(), rows, kRope / 2},
                                  .sin = {sin_.data(), rows, kRope / 2},
                                  .slots = slots,
                                  .cache = {.data = bf16 ? static_cast<void*>(cache16_.data())
                                                         : static_cast<void*>(cache_.data()),
                                            .dtype = StorageType(precision),
                                            .num_blocks = 5,
                                            .block_tokens = 4,
                                            .width = kWidth},
                                  .precision = precision});
  }

  ThreadPool pool_;
  Stream stream_;
  std::vector<float> kva_, weight_, cos_, sin_, cache_;
  std::vector<Bf16> cache16_;
};

TEST_P(WriteLatentsTest, SlotsHoldTheNormedLatentAndTheRotatedKey) {
  for (const Precision precision : {Precision::kBf16, Precision::kFp32}) {
    const std::vector<std::int64_t> slots = {19, 0, 7};
    ASSERT_TRUE(Write(3, slots, precision).ok());

    std::vector<float> rows = kva_;
    const MatrixView<float> view(rows.data(), 3, kWidth);
    ASSERT_TRUE(RmsNorm(stream_, {.x = view.Cols(0, kRank),
                                  .weight = {weight_.data(), DType::kFp32, 1, kRank},
                                  .y = view.Cols(0, kRank),
                                  .precision = precision})
                    .ok());
    ASSERT_TRUE(ApplyRope(stream_, {.x = view.Cols(kRank, kRope),
                                    .cos = {cos_.data(), 3, kRope / 2},
                                    .sin = {sin_.data(), 3, kRope / 2},
                                    .precision = precision})
                    .ok());
    std::vector<float> expected(kSlots * kWidth, 5.0F);
    for (std::int64_t t = 0; t < 3; ++t) {
      std::memcpy(expected.data() + slots[static_cast<std::size_t>(t)] * kWidth, view.Row(t),
                  kWidth * sizeof(float));
    }
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const float written = precision == Precision::kBf16 ? ToFloat(cache16_[i]) : cache_[i];
      ASSERT_EQ(written, expected[i]) << "value " << i;
    }
  }
}

TEST_P(WriteLatentsTest, ManyRowsFillManySlots) {
  std::vector<std::int64_t> slots;
  for (std::int64_t slot = 0; slot < kSlots; ++slot) slots.push_back(kSlots - 1 - slot);
  ASSERT_TRUE(Write(kSlots, slots, Precision::kFp32).ok());
  const std::vector<float> together = cache_;
  // The first row alone leaves the same bytes in its slot.
  ASSERT_TRUE(Write(1, {kSlots - 1}, Precision::kFp32).ok());
  EXPECT_EQ(std::memcmp(cache_.data() + (kSlots - 1) * kWidth,
                        together.data() + (kSlots - 1) * kWidth, kWidth * sizeof(float)),
            0);
}

TEST_P(WriteLatentsTest, RefusesSlotsOutsideTheCacheAndWritesNothing) {
  for (const std::int64_t bad : {std::int64_t{-1}, kSlots}) {
    EXPECT_EQ(Write(2, {3, bad}, Precision::kFp32).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(cache_, std::vector<float>(kSlots * kWidth, 5.0F));
  }
  EXPECT_EQ(Write(2, {3}, Precision::kFp32).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(cache_, std::vector<float>(kSlots * kWidth, 5.0F));
}

std::string TestName(const testing::TestParamInfo<Backend>& test) {
  std::string name = Name(test.param);
  std::erase(name, '-');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Backends, WriteLatentsTest, testing::ValuesIn(SupportedBackends()),
                         TestName);

}  // namespace
}  // namespace sextant
