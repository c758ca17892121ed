#include "kernels/mla/mla_prefill.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "common/device/backend.h"
#include "common/device/stream.h"
#include "common/device/thread_pool.h"
#include "gtest/gtest.h"
#include "tests/unit/kernels/mla/mla_case.h"

namespace sextant {
namespace {

// Positions start .. start + rows - 1 of the case.
std::vector<float> Attend(Stream& stream, MlaCase& mla, std::int64_t start, std::int64_t rows) {
  std::vector<float> out(static_cast<std::size_t>(rows * mla.out_cols()), -7.0F);
  const absl::Status status = MlaPrefill(stream, {.dims = mla.dims(),
                                                  .q = mla.q().Rows(start, rows),
                                                  .kv_b = mla.kv_b(),
                                                  .cache = mla.cache(),
                                                  .blocks = mla.blocks(),
                                                  .start = start,
                                                  .scale = mla.scale(),
                                                  .out = {out.data(), rows, mla.out_cols()},
                                                  .precision = mla.precision()});
  EXPECT_TRUE(status.ok()) << status;
  return out;
}

class MlaPrefillTest : public testing::TestWithParam<Backend> {
 protected:
  void ExpectAgreement(const MlaCaseOptions& options, std::int64_t start) {
    SCOPED_TRACE(testing::Message()
                 << options.dims.num_heads << " heads, rank " << options.dims.rank << ", length "
                 << options.length << " from " << start << ", blocks of " << options.block_tokens
                 << ", weights " << Name(options.weight) << ", "
                 << (options.precision == Precision::kBf16 ? "bf16" : "fp32"));
    ThreadPool pool(2);
    Stream stream(GetParam(), pool);
    Stream oracle(Backend::kReference, pool);
    MlaCase mla(options);
    const std::vector<float> out = Attend(stream, mla, start, options.length - start);
    const std::vector<float> expected = Attend(oracle, mla, start, options.length - start);
    const double tolerance = mla.Tolerance();
    for (std::size_t i = 0; i < out.size(); ++i) {
      ASSERT_NEAR(out[i], expected[i], tolerance) << "element " << i;
    }
    // Roundings rarely fall on the other side, so on the whole results are far closer than that.
    const double typical = std::ldexp(1.0, options.precision == Precision::kBf16 ? -8 : -19);
    EXPECT_LE(RmsDifference(out, expected), typical * Rms(expected));
  }
};

constexpr MlaDims kLite{.num_heads = 2, .nope = 128, .rope = 64, .v = 128, .rank = 512};
constexpr MlaDims kOdd{.num_heads = 3, .nope = 18, .rope = 6, .v = 10, .rank = 24};
constexpr MlaDims kWide{.num_heads = 16, .nope = 32, .rope = 16, .v = 48, .rank = 64};
constexpr MlaDims kMany{.num_heads = 128, .nope = 16, .rope = 8, .v = 16, .rank = 24};
constexpr MlaDims kSmall{.num_heads = 2, .nope = 16, .rope = 8, .v = 8, .rank = 24};

TEST_P(MlaPrefillTest, AgreesWithTheReferenceAtEveryLength) {
  for (const Precision precision : {Precision::kBf16, Precision::kFp32}) {
    for (const std::int64_t length : {1,  2,  7,  8,  9,  15,  16,  17,  23,  24,  25,  47,
                                      48, 49, 63, 64, 65, 127, 128, 129, 255, 256, 257, 300}) {
      ExpectAgreement({.dims = kOdd, .length = length, .precision = precision}, 0);
    }
  }
}

TEST_P(MlaPrefillTest, AgreesWithTheReferenceForEveryShapeAndWeightType) {
  for (const Precision precision : {Precision::kBf16, Precision::kFp32}) {
    for (const DType weight : {DType::kBf16, DType::kFp32}) {
      ExpectAgreement({.dims = kLite,
                       .length = 70,
                       .block_tokens = 64,
                       .precision = precision,
                       .weight = weight},
                      0);
      ExpectAgreement({.dims = kWide, .length = 65, .precision = precision, .weight = weight}, 0);
      ExpectAgreement({.dims = kMany, .length = 33, .precision = precision, .weight = weight}, 0);
    }
  }
}

TEST_P(MlaPrefillTest, AgreesWithTheReferenceAfterCachedPositions) {
  for (const Precision precision : {Precision::kBf16, Precision::kFp32}) {
    for (const std::int64_t start : {1, 15, 16, 17, 64, 100}) {
      ExpectAgreement({.dims = kWide, .length = start + 20, .precision = precision}, start);
    }
  }
}

TEST_P(MlaPrefillTest, AgreesWithTheReferenceAcrossSpans) {
  for (const Precision precision : {Precision::kBf16, Precision::kFp32}) {
    // Rows that end before, at and after the edge of the first span of 4096, and of the second.
    ExpectAgreement({.dims = kSmall, .length = 4110, .block_tokens = 64, .precision = precision},
                    4080);
    ExpectAgreement({.dims = kSmall, .length = 8200, .block_tokens = 64, .precision = precision},
                    8190);
  }
}

TEST_P(MlaPrefillTest, BytesDoNotDependOnChunksThreadsOrBlocks) {
  constexpr std::int64_t kLength = 130;
  // The reference expands every key again in each call, which makes small chunks slow.
  const std::vector<std::int64_t> chunks = GetParam() == Backend::kReference
                                               ? std::vector<std::int64_t>{100}
                                               : std::vector<std::int64_t>{1, 7, 16, 48, 100};
  for (const Precision precision : {Precision::kBf16, Precision::kFp32}) {
    ThreadPool one(1);
    Stream single(GetParam(), one);
    MlaCase mla({.dims = kWide, .length = kLength, .precision = precision});
    const std::vector<float> whole = Attend(single, mla, 0, kLength);
    for (const std::int64_t chunk : chunks) {
      std::vector<float> pieces;
      for (std::int64_t start = 0; start < kLength; start += chunk) {
        const std::vector<float> piece =
            Attend(single, mla, start, std::min(chunk, kLength - start));
        pieces.insert(pieces.end(), piece.begin(), piece.end());
      }
      EXPECT_EQ(std::memcmp(pieces.data(), whole.data(), whole.size() * sizeof(float)), 0)
          << "chunks of " << chunk;
    }
    for (const int threads : {2, 3}) {
      ThreadPool pool(threads);
      Stream stream(GetParam(), pool);
      EXPECT_EQ(Attend(stream, mla, 0, kLength), whole) << threads << " threads";
    }
    MlaCase other_blocks(
        {.dims = kWide, .length = kLength, .block_tokens = 64, .precision = precision});
    EXPECT_EQ(Attend(single, other_blocks, 0, kLength), whole);
  }
}

TEST_P(MlaPrefillTest, BytesDoNotDependOnChunksAcrossSpans) {
  if (GetParam() == Backend::kReference) GTEST_SKIP() << "the reference knows no spans";
  constexpr std::int64_t kLength = 4150;
  ThreadPool pool(2);
  Stream stream(GetParam(), pool);
  MlaCase mla({.dims = kSmall, .length = kLength, .block_tokens = 64});
  const std::vector<float> whole = Attend(stream, mla, 0, kLength);
  for (const std::int64_t start : {4000, 4090, 4095, 4096, 4097, 4149}) {
    const std::vector<float> rest = Attend(stream, mla, start, kLength - start);
    EXPECT_EQ(std::memcmp(rest.data(), whole.data() + start * mla.out_cols(),
                          rest.size() * sizeof(float)),
              0)
        << "from " << start;
  }
}

TEST_P(MlaPrefillTest, RefusesWhatDoesNotFit) {
  ThreadPool pool(1);
  Stream stream(GetParam(), pool);
  MlaCase mla({.dims = kOdd, .length = 20});
  std::vector<float> out(static_cast<std::size_t>(20 * mla.out_cols()), -7.0F);
  const MlaPrefillArgs good{.dims = mla.dims(),
                            .q = mla.q(),
                            .kv_b = mla.kv_b(),
                            .cache = mla.cache(),
                            .blocks = mla.blocks(),
                            .start = 0,
                            .scale = mla.scale(),
                            .out = {out.data(), 20, mla.out_cols()},
                            .precision = mla.precision()};
  const auto refused = [&](const MlaPrefillArgs& args) {
    return MlaPrefill(stream, args).code() == absl::StatusCode::kInvalidArgument;
  };
  MlaPrefillArgs args = good;
  args.start = 13;  // 33 positions need a third block
  EXPECT_TRUE(refused(args));
  args = good;
  args.start = -1;
  EXPECT_TRUE(refused(args));
  args = good;
  args.dims.nope = 17;
  EXPECT_TRUE(refused(args));
  args = good;
  args.precision = Precision::kFp32;  // of a bf16 cache
  EXPECT_TRUE(refused(args));
  args = good;
  const std::vector<std::int32_t> beyond = {0, static_cast<std::int32_t>(good.cache.num_blocks)};
  args.blocks = beyond;
  EXPECT_TRUE(refused(args));
  args = good;
  args.out = args.out.Rows(0, 19);
  EXPECT_TRUE(refused(args));
  EXPECT_EQ(out, std::vector<float>(out.size(), -7.0F));
}

std::string TestName(const testing::TestParamInfo<Backend>& test) {
  std::string name = Name(test.param);
  std::erase(name, '-');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Backends, MlaPrefillTest, testing::ValuesIn(SupportedBackends()),
                         TestName);

}  // namespace
}  // namespace sextant
