#include "kernels/mla/mla_decode.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "common/device/backend.h"
#include "common/device/stream.h"
#include "common/device/thread_pool.h"
#include "gtest/gtest.h"
#include "kernels/mla/mla_prefill.h"
#include "tests/unit/kernels/mla/mla_case.h"

namespace sextant {
namespace {

// The rows at `positions` of the case, in that order.
std::vector<float> Attend(Stream& stream, MlaCase& mla,
                          const std::vector<std::int64_t>& positions) {
  const auto count = static_cast<std::int64_t>(positions.size());
  std::vector<float> q;
  std::vector<MlaDecodeRow> rows;
  for (const std::int64_t p : positions) {
    q.insert(q.end(), mla.q().Row(p), mla.q().Row(p) + mla.q().cols);
    rows.push_back({mla.blocks(), p + 1});
  }
  std::vector<float> out(static_cast<std::size_t>(count * mla.out_cols()), -7.0F);
  const absl::Status status = MlaDecode(stream, {.dims = mla.dims(),
                                                 .q = {q.data(), count, mla.q().cols},
                                                 .kv_b = mla.kv_b(),
                                                 .cache = mla.cache(),
                                                 .rows = rows,
                                                 .scale = mla.scale(),
                                                 .out = {out.data(), count, mla.out_cols()},
                                                 .precision = mla.precision()});
  EXPECT_TRUE(status.ok()) << status;
  return out;
}

constexpr MlaDims kLite{.num_heads = 16, .nope = 128, .rope = 64, .v = 128, .rank = 512};
constexpr MlaDims kOdd{.num_heads = 2, .nope = 18, .rope = 6, .v = 10, .rank = 24};
constexpr MlaDims kMany{.num_heads = 128, .nope = 16, .rope = 8, .v = 16, .rank = 40};
constexpr MlaDims kUneven{.num_heads = 21, .nope = 34, .rope = 2, .v = 6, .rank = 66};

class MlaDecodeTest : public testing::TestWithParam<Backend> {
 protected:
  void ExpectAgreement(const MlaCaseOptions& options, const std::vector<std::int64_t>& positions) {
    SCOPED_TRACE(testing::Message()
                 << options.dims.num_heads << " heads, rank " << options.dims.rank << ", length "
                 << options.length << ", blocks of " << options.block_tokens << ", weights "
                 << Name(options.weight) << ", "
                 << (options.precision == Precision::kBf16 ? "bf16" : "fp32"));
    ThreadPool pool(2);
    Stream stream(GetParam(), pool);
    Stream oracle(Backend::kReference, pool);
    MlaCase mla(options);
    const std::vector<float> out = Attend(stream, mla, positions);
    const std::vector<float> expected = Attend(oracle, mla, positions);
    const double tolerance = mla.Tolerance();
    for (std::size_t i = 0; i < out.size(); ++i) {
      ASSERT_NEAR(out[i], expected[i], tolerance) << "element " << i;
    }
    const double typical = std::ldexp(1.0, options.precision == Precision::kBf16 ? -8 : -19);
    EXPECT_LE(RmsDifference(out, expected), typical * Rms(expected));
  }
};

TEST_P(MlaDecodeTest, AgreesWithTheReferenceAtEveryLength) {
  for (const Precision precision : {Precision::kBf16, Precision::kFp32}) {
    for (const std::int64_t block_tokens : {16, 64}) {
      ExpectAgreement(
          {.dims = kOdd, .length = 1000, .block_tokens = block_tokens, .precision = precision},
          {0,  1,   2,   6,   7,   8,   14,  15,  16,  62,  63,
           64, 126, 127, 128, 254, 255, 256, 510, 511, 512, 999});
    }
  }
}

TEST_P(MlaDecodeTest, AgreesWithTheReferenceForEveryShapeAndWeightType) {
  for (const Precision precision : {Precision::kBf16, Precision::kFp32}) {
    for (const DType weight : {DType::kBf16, DType::kFp32}) {
      for (const MlaDims& dims : {kMany, kUneven}) {
        ExpectAgreement({.dims = dims, .length = 300, .precision = precision, .weight = weight},
                        {299, 3, 130, 131, 256});
      }
      ExpectAgreement({.dims = kLite, .length = 270, .precision = precision, .weight = weight},
                      {269, 255});
    }
  }
}

TEST_P(MlaDecodeTest, BytesDoNotDependOnTheBatchThreadsOrBlocks) {
  for (const Precision precision : {Precision::kBf16, Precision::kFp32}) {
    MlaCase mla({.dims = kUneven, .length = 700, .precision = precision});
    std::vector<std::int64_t> positions;  // 32 rows, short and long
    for (std::int64_t i = 0; i < 32; ++i) positions.push_back((i * 97 + 5) % 700 / (i % 5 + 1));
    ThreadPool one(1);
    Stream single(GetParam(), one);
    std::vector<float> alone;
    for (const std::int64_t p : positions) {
      const std::vector<float> row = Attend(single, mla, {p});
      alone.insert(alone.end(), row.begin(), row.end());
    }
    for (const int threads : {1, 2, 3}) {
      ThreadPool pool(threads);
      Stream stream(GetParam(), pool);
      const std::vector<float> together = Attend(stream, mla, positions);
      EXPECT_EQ(std::memcmp(together.data(), alone.data(), alone.size() * sizeof(float)), 0)
          << threads << " threads";
    }
    MlaCase other_blocks(
        {.dims = kUneven, .length = 700, .block_tokens = 64, .precision = precision});
    EXPECT_EQ(Attend(single, other_blocks, positions), alone);
  }
}

// Decode rounds elsewhere than prefill does; against exact arithmetic it must be no worse.
TEST_P(MlaDecodeTest, IsAsCloseToExactArithmeticAsTheRoundedPrefill) {
  constexpr std::int64_t kLength = 200;
  MlaDims dims = kLite;
  dims.num_heads = 4;
  MlaCase mla({.dims = dims, .length = kLength});
  ThreadPool pool(2);
  Stream stream(GetParam(), pool);
  Stream oracle(Backend::kReference, pool);
  const std::vector<float> decoded = Attend(stream, mla, {kLength - 1});

  // The same values in an f32 cache, with which kFp32 computes and does not round.
  const LatentCacheView cache = mla.cache();
  LatentCacheView exact_cache = cache;
  std::vector<float> widened;
  for (std::int64_t i = 0; i < cache.num_slots() * cache.width; ++i) {
    widened.push_back(ToFloat(static_cast<const Bf16*>(cache.data)[i]));
  }
  exact_cache.data = widened.data();
  exact_cache.dtype = DType::kFp32;
  const auto prefill = [&](const LatentCacheView& view, Precision precision) {
    std::vector<float> out(static_cast<std::size_t>(mla.out_cols()));
    EXPECT_TRUE(MlaPrefill(oracle, {.dims = mla.dims(),
                                    .q = mla.q().Rows(kLength - 1, 1),
                                    .kv_b = mla.kv_b(),
                                    .cache = view,
                                    .blocks = mla.blocks(),
                                    .start = kLength - 1,
                                    .scale = mla.scale(),
                                    .out = {out.data(), 1, mla.out_cols()},
                                    .precision = precision})
                    .ok());
    return out;
  };
  const std::vector<float> rounded = prefill(cache, Precision::kBf16);
  const std::vector<float> exact = prefill(exact_cache, Precision::kFp32);
  EXPECT_GT(RmsDifference(rounded, exact), 0.0);
  EXPECT_LE(RmsDifference(decoded, exact), 1.1 * RmsDifference(rounded, exact));
}

TEST_P(MlaDecodeTest, RefusesWhatDoesNotFit) {
  ThreadPool pool(1);
  Stream stream(GetParam(), pool);
  MlaCase mla({.dims = kOdd, .length = 20});
  std::vector<float> out(static_cast<std::size_t>(mla.out_cols()), -7.0F);
  const auto refused = [&](const MlaDecodeRow& row) {
    return MlaDecode(stream, {.dims = mla.dims(),
                              .q = mla.q().Rows(0, 1),
                              .kv_b = mla.kv_b(),
                              .cache = mla.cache(),
                              .rows = {&row, 1},
                              .scale = mla.scale(),
                              .out = {out.data(), 1, mla.out_cols()},
                              .precision = mla.precision()})
               .code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused({mla.blocks(), 0}));
  EXPECT_TRUE(refused({mla.blocks(), 33}));
  const std::vector<std::int32_t> negative = {-1, 0};
  EXPECT_TRUE(refused({negative, 20}));
  EXPECT_EQ(out, std::vector<float>(out.size(), -7.0F));
}

std::string TestName(const testing::TestParamInfo<Backend>& test) {
  std::string name = Name(test.param);
  std::erase(name, '-');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Backends, MlaDecodeTest, testing::ValuesIn(SupportedBackends()), TestName);

}  // namespace
}  // namespace sextant
