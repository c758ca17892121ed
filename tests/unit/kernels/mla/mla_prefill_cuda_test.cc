#include "kernels/mla/mla_prefill_cuda.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/device/stream.h"
#include "kernels/mla/mla_prefill.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/values.h"
#include "tests/unit/kernels/mla/mla_case.h"

namespace sextant {
namespace {

constexpr std::int64_t kQWidth = 192;

MlaCase Sequence(std::int64_t heads, std::int64_t length, std::int64_t block_tokens = 16) {
  return MlaCase({.dims = {.num_heads = heads, .nope = 128, .rope = 64, .v = 128, .rank = 512},
                  .length = length,
                  .block_tokens = block_tokens});
}

// Rows start .. start + count - 1 of the sequence, with `span_keys` keys expanded at a time.
std::vector<Bf16> Attend(MlaCase& mla, std::int64_t start, std::int64_t count,
                         std::int32_t span_keys = 4096) {
  const std::int64_t heads = mla.dims().num_heads;
  const LatentCacheView view = mla.cache();
  const Bf16* slots = static_cast<const Bf16*>(view.data);
  std::vector<Bf16> q_rows;
  for (std::int64_t i = 0; i < count * heads * kQWidth; ++i) {
    q_rows.push_back(ToBf16(mla.q().Row(start)[i]));
  }
  const WeightView weight = mla.kv_b();
  const Bf16* weights = static_cast<const Bf16*>(weight.data);
  const DeviceArray<Bf16> q(q_rows);
  const DeviceArray<Bf16> kv_b(std::vector<Bf16>(weights, weights + weight.rows * weight.cols));
  const DeviceArray<Bf16> cache(std::vector<Bf16>(slots, slots + view.num_slots() * view.width));
  const DeviceArray<std::int32_t> table(
      std::vector<std::int32_t>(mla.blocks().begin(), mla.blocks().end()));
  const std::int64_t expanded_keys = std::min<std::int64_t>(span_keys, start + count);
  const DeviceArray<Bf16> expanded(static_cast<std::size_t>(expanded_keys * heads * 256),
                                   Bf16{0xffff});
  const DeviceArray<float> state(static_cast<std::size_t>(count * heads * kPrefillStateFloats),
                                 NAN);
  const DeviceArray<Bf16> out(static_cast<std::size_t>(count * heads * kPrefillV), ToBf16(7.0F));
  EXPECT_TRUE(Ran(MlaPrefillCuda({}, {.q = q.data(),
                                      .q_stride = heads * kQWidth,
                                      .kv_b = kv_b.data(),
                                      .cache = cache.data(),
                                      .block_table = table.data(),
                                      .block_tokens = static_cast<std::int32_t>(view.block_tokens),
                                      .start = static_cast<std::int32_t>(start),
                                      .rows = static_cast<std::int32_t>(count),
                                      .num_heads = static_cast<std::int32_t>(heads),
                                      .scale = mla.scale(),
                                      .out = out.data(),
                                      .out_stride = heads * kPrefillV,
                                      .span_keys = span_keys,
                                      .expanded = expanded.data(),
                                      .state = state.data()})));
  return out.Read();
}

class MlaPrefillCudaTest : public DeviceTest {
 protected:
  // Exact arithmetic on the same bf16 operands: nothing is rounded on the way.
  static std::vector<float> Exact(MlaCase& mla, std::int64_t start, std::int64_t count) {
    ThreadPool pool(1);
    Stream oracle(Backend::kReference, pool);
    LatentCacheView cache = mla.cache();
    std::vector<float> widened;
    for (std::int64_t i = 0; i < cache.num_slots() * cache.width; ++i) {
      widened.push_back(ToFloat(static_cast<const Bf16*>(cache.data)[i]));
    }
    cache.data = widened.data();
    cache.dtype = DType::kFp32;
    std::vector<float> out(static_cast<std::size_t>(count * mla.out_cols()));
    EXPECT_TRUE(MlaPrefill(oracle, {.dims = mla.dims(),
                                    .q = mla.q().Rows(start, count),
                                    .kv_b = mla.kv_b(),
                                    .cache = cache,
                                    .blocks = mla.blocks(),
                                    .start = start,
                                    .scale = mla.scale(),
                                    .out = {out.data(), count, mla.out_cols()},
                                    .precision = Precision::kFp32})
                    .ok());
    return out;
  }

  static void ExpectAgreement(std::int64_t heads, std::int64_t start, std::int64_t count) {
    SCOPED_TRACE(testing::Message()
                 << count << " rows from " << start << ", " << heads << " heads");
    MlaCase mla = Sequence(heads, start + count);
    const std::vector<float> out = Widened(Attend(mla, start, count));
    const std::vector<float> expected = Exact(mla, start, count);
    const double tolerance = mla.Tolerance();
    for (std::size_t i = 0; i < out.size(); ++i) {
      ASSERT_NEAR(out[i], expected[i], tolerance) << "element " << i;
    }
    // Keys, values, weights and outputs are rounded, each by 2^-9 of itself at most.
    EXPECT_LE(RmsDifference(out, expected), 4.0 * std::ldexp(Rms(expected), -9));
  }
};

TEST_F(MlaPrefillCudaTest, AgreesWithExactArithmetic) {
  ExpectAgreement(2, 0, 1);
  ExpectAgreement(1, 0, 65);
  ExpectAgreement(1, 0, 64);
  ExpectAgreement(3, 0, 17);
  ExpectAgreement(1, 63, 1);
  ExpectAgreement(1, 64, 2);
  ExpectAgreement(1, 130, 70);
}

TEST_F(MlaPrefillCudaTest, RowsHaveTheSameBytesInAnyChunkSpanAndBlocks) {
  constexpr std::int64_t kLength = 200;
  MlaCase mla = Sequence(1, kLength);
  const std::vector<Bf16> whole = Attend(mla, 0, kLength);
  for (const auto& [start, count] : {std::pair(0, 1), std::pair(0, 63), std::pair(1, 70),
                                     std::pair(127, 2), std::pair(190, 10)}) {
    EXPECT_EQ(Attend(mla, start, count), RowsOf(whole, start, count, kPrefillV))
        << count << " from " << start;
  }
  EXPECT_EQ(Attend(mla, 0, kLength, 64), whole);
  EXPECT_EQ(Attend(mla, 150, 50, 128), RowsOf(whole, 150, 50, kPrefillV));
  MlaCase other_blocks = Sequence(1, kLength, 64);
  EXPECT_EQ(Attend(other_blocks, 0, kLength), whole);
}

TEST_F(MlaPrefillCudaTest, MeetsNoBankTwiceOnTheEmulator) {
  MlaCase mla = Sequence(2, 130);
  (void)TakeDeviceTraffic();
  (void)Attend(mla, 0, 130);
  const DeviceTraffic traffic = TakeDeviceTraffic();
  EXPECT_EQ(traffic.conflicting_rows, 0);
}

TEST_F(MlaPrefillCudaTest, RefusesWhatDoesNotFit) {
  const DeviceArray<Bf16> memory(1024, ToBf16(1.0F));
  const MlaPrefillCudaArgs args{.q = memory.data(),
                                .q_stride = 192,
                                .kv_b = memory.data(),
                                .cache = memory.data(),
                                .block_tokens = 16,
                                .num_heads = 1,
                                .out = memory.data(),
                                .out_stride = 128,
                                .span_keys = 64,
                                .expanded = memory.data()};
  EXPECT_TRUE(MlaPrefillCuda({}, args).ok());
  for (int which = 0; which < 4; ++which) {
    MlaPrefillCudaArgs bad = args;
    if (which == 0) bad.span_keys = 72;
    if (which == 1) bad.q_stride = 184;
    if (which == 2) bad.rows = 65;  // two spans, and no room for the state between them
    if (which == 3) bad.kv_b = memory.data() + 1;
    EXPECT_EQ(MlaPrefillCuda({}, bad).error, DeviceError::kInvalidArgument) << which;
  }
}

}  // namespace
}  // namespace sextant
