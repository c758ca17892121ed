#include "kernels/mla/mla_decode_cuda.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "common/device/stream.h"
#include "kernels/mla/head_product_cuda.h"
#include "kernels/mla/mla_decode.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/values.h"
#include "tests/unit/kernels/mla/mla_case.h"

namespace sextant {
namespace {

constexpr std::int64_t kNope = 128;
constexpr std::int64_t kV = 128;

MlaDims Dims(std::int64_t heads) {
  return {.num_heads = heads, .nope = kNope, .rope = kLatentRope, .v = kV, .rank = kLatentRank};
}

std::vector<Bf16> Narrowed(const float* values, std::int64_t count) {
  std::vector<Bf16> narrow;
  for (std::int64_t i = 0; i < count; ++i) narrow.push_back(ToBf16(values[i]));
  return narrow;
}

// A sequence on the device, with its layer's weights as they are laid out at loading.
class DeviceCase {
 public:
  explicit DeviceCase(MlaCase& mla)
      : mla_(mla), cache_(CacheOf(mla)), uk_transposed_(TransposedKeys(mla)), uv_(Values(mla)) {}

  // Positions as decode rows, through absorb, attention and unabsorb, on a grid of `blocks`. Only
  // the first `live` rows count, where that is given.
  [[nodiscard]] std::vector<Bf16> Attend(const std::vector<std::int64_t>& positions, int blocks = 3,
                                         std::int32_t live = -1) {
    const auto rows = static_cast<std::int32_t>(positions.size());
    const auto heads = static_cast<std::int32_t>(mla_.dims().num_heads);
    std::vector<Bf16> q;
    std::vector<std::int32_t> lengths;
    std::vector<std::int32_t> table;
    std::int32_t splits = 0;
    for (const std::int64_t p : positions) {
      const std::vector<Bf16> row = Narrowed(mla_.q().Row(p), mla_.q().cols);
      q.insert(q.end(), row.begin(), row.end());
      lengths.push_back(static_cast<std::int32_t>(p) + 1);
      splits += static_cast<std::int32_t>(DivideUp(p + 1, kDecodeSplitCuda));
      table.insert(table.end(), mla_.blocks().begin(), mla_.blocks().end());
    }
    const auto elements = static_cast<std::size_t>(rows) * static_cast<std::size_t>(heads);
    const auto states = static_cast<std::size_t>(splits) * static_cast<std::size_t>(heads);
    const DeviceArray<Bf16> queries(q);
    const DeviceArray<std::int32_t> ends(lengths);
    const DeviceArray<std::int32_t> tables(table);
    const DeviceArray<std::int32_t> live_rows(1, live);
    const DeviceArray<std::int32_t> offsets(static_cast<std::size_t>(rows) + 1, -7);
    const DeviceArray<std::int32_t> split_rows(static_cast<std::size_t>(splits), -7);
    const DeviceArray<Bf16> latent_q(elements * kLatentRank, Bf16{0xffff});
    const DeviceArray<float> partial(states * kLatentRank, NAN);
    const DeviceArray<float> partial_state(states * 2, NAN);
    const DeviceArray<Bf16> u(elements * 2 * kLatentRank, Bf16{0xffff});
    const DeviceArray<Bf16> out(elements * kV, ToBf16(7.0F));
    const std::int32_t* live_at = live < 0 ? nullptr : live_rows.data();
    const DecodePlan plan{offsets.data(), split_rows.data(), splits};
    const std::int64_t q_stride = mla_.q().cols;
    EXPECT_TRUE(Ran(HeadProductCuda({}, {.x = queries.data(),
                                         .x_row_stride = q_stride,
                                         .x_head_stride = kNope + kLatentRope,
                                         .weight = uk_transposed_.data(),
                                         .weight_head_stride = kLatentRank * kNope,
                                         .y = latent_q.data(),
                                         .y_row_stride = heads * kLatentRank,
                                         .y_head_stride = kLatentRank,
                                         .rows = rows,
                                         .live_rows = live_at,
                                         .num_heads = heads,
                                         .outputs = kLatentRank,
                                         .depth = kNope})));
    EXPECT_TRUE(Ran(PlanDecodeCuda(
        {}, {.lengths = ends.data(), .rows = rows, .live_rows = live_at, .plan = plan})));
    EXPECT_TRUE(Ran(
        MlaDecodeCuda({}, {.latent_q = latent_q.data(),
                           .q = queries.data(),
                           .q_stride = q_stride,
                           .nope = kNope,
                           .cache = cache_.data(),
                           .block_table = tables.data(),
                           .block_table_stride = static_cast<std::int64_t>(mla_.blocks().size()),
                           .block_tokens = static_cast<std::int32_t>(mla_.cache().block_tokens),
                           .lengths = ends.data(),
                           .plan = plan,
                           .rows = rows,
                           .live_rows = live_at,
                           .num_heads = heads,
                           .scale = mla_.scale(),
                           .blocks = blocks,
                           .partial = partial.data(),
                           .partial_state = partial_state.data(),
                           .u = u.data()})));
    EXPECT_TRUE(Ran(HeadProductCuda({}, {.x = u.data(),
                                         .x_row_stride = heads * 2 * kLatentRank,
                                         .x_head_stride = 2 * kLatentRank,
                                         .two_halves = true,
                                         .weight = uv_.data(),
                                         .weight_head_stride = kV * kLatentRank,
                                         .y = out.data(),
                                         .y_row_stride = heads * kV,
                                         .y_head_stride = kV,
                                         .rows = rows,
                                         .live_rows = live_at,
                                         .num_heads = heads,
                                         .outputs = kV,
                                         .depth = kLatentRank})));
    return out.Read();
  }

 private:
  static std::vector<Bf16> CacheOf(MlaCase& mla) {
    const LatentCacheView cache = mla.cache();
    const Bf16* data = static_cast<const Bf16*>(cache.data);
    return {data, data + cache.num_slots() * cache.width};
  }
  static Bf16 WeightAt(const MlaCase& mla, std::int64_t row, std::int64_t col) {
    return ToBf16(mla.kv_b().At(row, col));
  }
  static std::vector<Bf16> TransposedKeys(const MlaCase& mla) {
    std::vector<Bf16> uk;
    for (std::int64_t head = 0; head < mla.dims().num_heads; ++head) {
      for (std::int64_t r = 0; r < kLatentRank; ++r) {
        for (std::int64_t i = 0; i < kNope; ++i) {
          uk.push_back(WeightAt(mla, head * (kNope + kV) + i, r));
        }
      }
    }
    return uk;
  }
  static std::vector<Bf16> Values(const MlaCase& mla) {
    std::vector<Bf16> uv;
    for (std::int64_t head = 0; head < mla.dims().num_heads; ++head) {
      for (std::int64_t i = 0; i < kV; ++i) {
        for (std::int64_t r = 0; r < kLatentRank; ++r) {
          uv.push_back(WeightAt(mla, head * (kNope + kV) + kNope + i, r));
        }
      }
    }
    return uv;
  }

  MlaCase& mla_;
  DeviceArray<Bf16> cache_;
  DeviceArray<Bf16> uk_transposed_;
  DeviceArray<Bf16> uv_;
};

class MlaDecodeCudaTest : public DeviceTest {
 protected:
  static std::vector<float> Expected(MlaCase& mla, const std::vector<std::int64_t>& positions) {
    ThreadPool pool(1);
    Stream oracle(Backend::kReference, pool);
    const auto count = static_cast<std::int64_t>(positions.size());
    std::vector<float> q;
    std::vector<MlaDecodeRow> rows;
    for (const std::int64_t p : positions) {
      q.insert(q.end(), mla.q().Row(p), mla.q().Row(p) + mla.q().cols);
      rows.push_back({mla.blocks(), p + 1});
    }
    std::vector<float> out(static_cast<std::size_t>(count * mla.out_cols()));
    EXPECT_TRUE(MlaDecode(oracle, {.dims = mla.dims(),
                                   .q = {q.data(), count, mla.q().cols},
                                   .kv_b = mla.kv_b(),
                                   .cache = mla.cache(),
                                   .rows = rows,
                                   .scale = mla.scale(),
                                   .out = {out.data(), count, mla.out_cols()}})
                    .ok());
    return out;
  }

  static void ExpectAgreement(std::int64_t heads, std::int64_t block_tokens,
                              const std::vector<std::int64_t>& positions) {
    SCOPED_TRACE(testing::Message() << heads << " heads, blocks of " << block_tokens);
    std::int64_t length = 0;
    for (const std::int64_t p : positions) length = std::max(length, p + 1);
    MlaCase mla({.dims = Dims(heads), .length = length, .block_tokens = block_tokens});
    const std::vector<float> out = Widened(DeviceCase(mla).Attend(positions));
    const std::vector<float> expected = Expected(mla, positions);
    const double tolerance = mla.Tolerance();
    for (std::size_t i = 0; i < out.size(); ++i) {
      ASSERT_NEAR(out[i], expected[i], tolerance) << "element " << i;
    }
    EXPECT_LE(RmsDifference(out, expected), std::ldexp(Rms(expected), -8));
  }
};

TEST_F(MlaDecodeCudaTest, AgreesWithTheReferenceAtEveryLength) {
  ExpectAgreement(2, 16, {0, 1, 7, 30, 31, 32, 63, 64, 95, 200});
  ExpectAgreement(2, 64, {510, 511, 512, 513, 1100});
}

TEST_F(MlaDecodeCudaTest, AgreesWithTheReferenceForAnyNumberOfHeads) {
  ExpectAgreement(1, 16, {40});
  ExpectAgreement(16, 16, {70, 3});
  ExpectAgreement(21, 16, {33});
}

TEST_F(MlaDecodeCudaTest, RowsHaveTheSameBytesInAnyBatchOnAnyGridAndInAnyBlocks) {
  constexpr std::int64_t kHeads = 2;
  MlaCase mla({.dims = Dims(kHeads), .length = 600});
  MlaCase other_blocks({.dims = Dims(kHeads), .length = 600, .block_tokens = 64});
  DeviceCase device(mla);
  DeviceCase other(other_blocks);
  std::vector<std::int64_t> positions;  // more rows than one tile of the products takes
  for (std::int64_t i = 0; i < 40; ++i) positions.push_back(i % 8 == 0 ? 599 - i : (i * 37) % 70);
  const std::vector<Bf16> together = device.Attend(positions, 7);
  EXPECT_EQ(device.Attend(positions, 1), together);
  EXPECT_EQ(other.Attend(positions, 4), together);
  for (std::int64_t i = 0; i < 40; i += 7) {
    EXPECT_EQ(device.Attend({positions[static_cast<std::size_t>(i)]}),
              RowsOf(together, i, 1, kHeads * kV))
        << "position " << positions[static_cast<std::size_t>(i)];
  }
}

TEST_F(MlaDecodeCudaTest, ReadsALatentOnceForSixteenHeadsAndMeetsNoBankTwiceOnTheEmulator) {
  constexpr std::int64_t kHeads = 16;
  constexpr std::int64_t kLength = 100;
  MlaCase mla({.dims = Dims(kHeads), .length = kLength});
  DeviceCase device(mla);
  (void)TakeDeviceTraffic();
  (void)device.Attend({kLength - 1});
  const DeviceTraffic traffic = TakeDeviceTraffic();
  // Absorb and unabsorb read each head's weights once, and its row once for each 32 outputs.
  constexpr std::int64_t kAbsorb = kHeads * (kLatentRank + kLatentRank / 32) * kNope * 2;
  constexpr std::int64_t kUnabsorb = kHeads * (kV + kV / 32) * 2 * kLatentRank * 2;
  constexpr std::int64_t kAttention = (kHeads + kLength) * (kLatentRank + kLatentRope) * 2;
  EXPECT_EQ(traffic.copied_bytes, kAbsorb + kUnabsorb + kAttention);
  EXPECT_EQ(traffic.conflicting_rows, 0);
}

TEST_F(MlaDecodeCudaTest, RowsThatAreNotLiveAreLeftAlone) {
  MlaCase mla({.dims = Dims(1), .length = 50});
  DeviceCase device(mla);
  const std::vector<Bf16> all = device.Attend({40, 30, 20});
  const std::vector<Bf16> some = device.Attend({40, 30, 20}, 3, 2);
  EXPECT_EQ(RowsOf(some, 0, 2, kV), RowsOf(all, 0, 2, kV));
  EXPECT_EQ(RowsOf(some, 2, 1, kV), std::vector<Bf16>(kV, ToBf16(7.0F)));
}

TEST_F(MlaDecodeCudaTest, ThePlanListsSplitsByRow) {
  const std::vector<std::int32_t> lengths = {1, 512, 513, 2000, 5};
  const DeviceArray<std::int32_t> ends(lengths);
  const DeviceArray<std::int32_t> live(1, 4);
  const DeviceArray<std::int32_t> offsets(6, -7);
  const DeviceArray<std::int32_t> rows(9, -7);
  EXPECT_TRUE(Ran(PlanDecodeCuda({}, {.lengths = ends.data(),
                                      .rows = 5,
                                      .live_rows = live.data(),
                                      .plan = {offsets.data(), rows.data(), 7}})));
  EXPECT_EQ(offsets.Read(), (std::vector<std::int32_t>{0, 1, 2, 4, 8, 8}));
  EXPECT_EQ(rows.Read(), (std::vector<std::int32_t>{0, 1, 2, 2, 3, 3, 3, -7, -7}));
}

TEST_F(MlaDecodeCudaTest, RefusesWhatDoesNotFit) {
  const DeviceArray<Bf16> memory(1024, ToBf16(1.0F));
  const MlaDecodeCudaArgs args{.latent_q = memory.data(),
                               .q = memory.data(),
                               .q_stride = 192,
                               .nope = 128,
                               .cache = memory.data(),
                               .block_tokens = 16,
                               .plan = {},
                               .num_heads = 1,
                               .partial = reinterpret_cast<float*>(memory.data()),
                               .u = memory.data()};
  EXPECT_TRUE(MlaDecodeCuda({}, args).ok());
  for (int which = 0; which < 4; ++which) {
    MlaDecodeCudaArgs bad = args;
    if (which == 0) bad.num_heads = 0;
    if (which == 1) bad.nope = 12;
    if (which == 2) bad.q_stride = 184;
    if (which == 3) bad.cache = memory.data() + 1;
    EXPECT_EQ(MlaDecodeCuda({}, bad).error, DeviceError::kInvalidArgument) << which;
  }
  HeadProductCudaArgs product{.x = memory.data(),
                              .x_row_stride = 64,
                              .x_head_stride = 64,
                              .weight = memory.data(),
                              .weight_head_stride = 64,
                              .y = memory.data(),
                              .y_row_stride = 64,
                              .y_head_stride = 64,
                              .num_heads = 1,
                              .outputs = 8,
                              .depth = 40};
  EXPECT_TRUE(HeadProductCuda({}, product).ok());
  product.two_halves = true;
  EXPECT_EQ(HeadProductCuda({}, product).error, DeviceError::kInvalidArgument);
}

}  // namespace
}  // namespace sextant
