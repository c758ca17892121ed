#include "kernels/mla/write_latents_cuda.h"

#include <cmath>
#include <vector>

#include "common/device/stream.h"
#include "kernels/mla/latent_cache.h"
#include "kernels/rope/apply_rope.h"
#include "kernels/rope/yarn.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/values.h"

namespace sextant {
namespace {

constexpr std::int64_t kPositions = 4600;

struct Shape {
  std::int64_t heads;
  std::int64_t nope;
  std::int64_t rope;
  std::int64_t rank;
  [[nodiscard]] std::int64_t q_cols() const { return heads * (nope + rope); }
  [[nodiscard]] std::int64_t width() const { return rank + rope; }
};

struct Step {
  std::vector<Bf16> q;
  std::vector<Bf16> kva;
  std::vector<std::int32_t> positions;
  std::vector<std::int64_t> slots;
};

struct Result {
  std::vector<Bf16> q;
  std::vector<Bf16> cache;
};

class WriteLatentsCudaTest : public DeviceTest {
 protected:
  static RopeTable Table(std::int64_t rope) {
    return *RopeTable::Create({.rope_dim = rope, .yarn = YarnParameters{.factor = 40}});
  }

  // The angles of every position, as the device gets them.
  static void FillTables(std::int64_t rope, std::vector<Bf16>& cos, std::vector<Bf16>& sin) {
    std::vector<std::int64_t> positions;
    for (std::int64_t p = 0; p < kPositions; ++p) positions.push_back(p);
    std::vector<float> c(static_cast<std::size_t>(kPositions * rope / 2));
    std::vector<float> s(c.size());
    Table(rope).Rows(positions, Precision::kBf16, {c.data(), kPositions, rope / 2},
                     {s.data(), kPositions, rope / 2});
    for (const float value : c) cos.push_back(ToBf16(value));
    for (const float value : s) sin.push_back(ToBf16(value));
  }

  static Step MakeStep(const Shape& shape, std::int64_t rows) {
    Step step{NormalBf16(rows * shape.q_cols(), 1.0, 1),
              NormalBf16(rows * shape.width(), 2.0, 2),
              {},
              {}};
    for (std::int64_t t = 0; t < rows; ++t) {
      step.positions.push_back(static_cast<std::int32_t>(t * 997 % kPositions));
      step.slots.push_back((t * 5 + 3) % (rows + 4));
    }
    return step;
  }

  static Result Write(const Shape& shape, const Step& step, const std::vector<Bf16>& weight,
                      std::int64_t slots) {
    std::vector<Bf16> cos;
    std::vector<Bf16> sin;
    FillTables(shape.rope, cos, sin);
    const DeviceArray<Bf16> cos_table(cos);
    const DeviceArray<Bf16> sin_table(sin);
    const DeviceArray<Bf16> q(step.q);
    const DeviceArray<Bf16> kva(step.kva);
    const DeviceArray<Bf16> norm(weight);
    const DeviceArray<std::int32_t> positions(step.positions);
    const DeviceArray<std::int64_t> places(step.slots);
    const DeviceArray<Bf16> cache(static_cast<std::size_t>(slots * shape.width()), ToBf16(7.0F));
    EXPECT_TRUE(Ran(WriteLatentsCuda({}, {.q = q.data(),
                                          .q_stride = shape.q_cols(),
                                          .kva = kva.data(),
                                          .kva_stride = shape.width(),
                                          .norm_weight = norm.data(),
                                          .cos = cos_table.data(),
                                          .sin = sin_table.data(),
                                          .positions = positions.data(),
                                          .slots = places.data(),
                                          .cache = cache.data(),
                                          .rows = static_cast<std::int64_t>(step.slots.size()),
                                          .num_heads = shape.heads,
                                          .nope = shape.nope,
                                          .rope = shape.rope,
                                          .rank = shape.rank})));
    return {q.Read(), cache.Read()};
  }

  static Result Expected(const Shape& shape, const Step& step, const std::vector<Bf16>& weight,
                         std::int64_t slots) {
    ThreadPool pool(1);
    Stream oracle(Backend::kReference, pool);
    const auto rows = static_cast<std::int64_t>(step.slots.size());
    std::vector<float> cos(static_cast<std::size_t>(rows * shape.rope / 2));
    std::vector<float> sin(cos.size());
    const MatrixView<float> cos_rows(cos.data(), rows, shape.rope / 2);
    const MatrixView<float> sin_rows(sin.data(), rows, shape.rope / 2);
    Table(shape.rope)
        .Rows(std::vector<std::int64_t>(step.positions.begin(), step.positions.end()),
              Precision::kBf16, cos_rows, sin_rows);
    std::vector<float> q = Widened(step.q);
    std::vector<float> kva = Widened(step.kva);
    EXPECT_TRUE(ApplyRope(oracle, {.x = {q.data(), rows, shape.q_cols()},
                                   .num_heads = shape.heads,
                                   .cos = cos_rows,
                                   .sin = sin_rows})
                    .ok());
    Result result;
    for (const float value : q) result.q.push_back(ToBf16(value));
    result.cache.assign(static_cast<std::size_t>(slots * shape.width()), ToBf16(7.0F));
    EXPECT_TRUE(WriteLatents(oracle, {.kva = {kva.data(), rows, shape.width()},
                                      .norm_weight = {weight.data(), DType::kBf16, 1, shape.rank},
                                      .cos = cos_rows,
                                      .sin = sin_rows,
                                      .slots = step.slots,
                                      .cache = {.data = result.cache.data(),
                                                .num_blocks = slots,
                                                .block_tokens = 1,
                                                .width = shape.width()}})
                    .ok());
    return result;
  }
};

TEST_F(WriteLatentsCudaTest, AgreesWithTheReference) {
  for (const Shape& shape : {Shape{16, 128, 64, 512}, Shape{3, 8, 8, 8}, Shape{5, 0, 16, 1024},
                             Shape{40, 24, 256, 264}}) {
    const Step step = MakeStep(shape, 7);
    const std::vector<Bf16> weight = NormalBf16(shape.rank, 1.0, 3);
    const Result result = Write(shape, step, weight, 11);
    const Result expected = Expected(shape, step, weight, 11);
    EXPECT_EQ(result.q, expected.q);
    for (std::size_t i = 0; i < result.cache.size(); ++i) {
      const float value = ToFloat(expected.cache[i]);
      const bool is_key = static_cast<std::int64_t>(i) % shape.width() >= shape.rank;
      // Rotated keys have the same bits; of a latent two roundings may fall on the other side.
      ASSERT_NEAR(ToFloat(result.cache[i]), value, is_key ? 0.0F : std::ldexp(std::abs(value), -6))
          << "element " << i << ", rank " << shape.rank;
    }
  }
}

TEST_F(WriteLatentsCudaTest, RowsHaveTheSameBytesAloneAndInABatch) {
  const Shape shape{4, 16, 32, 136};
  const Step step = MakeStep(shape, 33);
  const std::vector<Bf16> weight = NormalBf16(shape.rank, 1.0, 3);
  const Result together = Write(shape, step, weight, 37);
  for (std::int64_t t = 0; t < 33; t += 4) {
    const auto at = static_cast<std::size_t>(t);
    const Step one{RowsOf(step.q, t, 1, shape.q_cols()),
                   RowsOf(step.kva, t, 1, shape.width()),
                   {step.positions[at]},
                   {step.slots[at]}};
    const Result alone = Write(shape, one, weight, 37);
    EXPECT_EQ(alone.q, RowsOf(together.q, t, 1, shape.q_cols()));
    EXPECT_EQ(RowsOf(alone.cache, step.slots[at], 1, shape.width()),
              RowsOf(together.cache, step.slots[at], 1, shape.width()));
  }
}

TEST_F(WriteLatentsCudaTest, ARowWithoutASlotIsNotWritten) {
  const Shape shape{1, 8, 8, 16};
  Step step = MakeStep(shape, 2);
  step.slots = {-1, 1};
  const std::vector<Bf16> weight = NormalBf16(shape.rank, 1.0, 3);
  const std::vector<Bf16> cache = Write(shape, step, weight, 3).cache;
  const std::vector<Bf16> untouched(static_cast<std::size_t>(shape.width()), ToBf16(7.0F));
  EXPECT_EQ(RowsOf(cache, 0, 1, shape.width()), untouched);
  EXPECT_NE(RowsOf(cache, 1, 1, shape.width()), untouched);
  EXPECT_EQ(RowsOf(cache, 2, 1, shape.width()), untouched);
}

TEST_F(WriteLatentsCudaTest, RefusesWhatDoesNotFit) {
  const DeviceArray<Bf16> memory(1024, ToBf16(1.0F));
  WriteLatentsCudaArgs args{.q = memory.data(),
                            .q_stride = 16,
                            .kva = memory.data(),
                            .kva_stride = 24,
                            .norm_weight = memory.data(),
                            .cache = memory.data(),
                            .rows = 0,
                            .num_heads = 1,
                            .nope = 8,
                            .rope = 8,
                            .rank = 16};
  EXPECT_TRUE(WriteLatentsCuda({}, args).ok());
  for (int which = 0; which < 4; ++which) {
    WriteLatentsCudaArgs bad = args;
    if (which == 0) bad.rank = 20;
    if (which == 1) bad.rope = 264;
    if (which == 2) bad.kva_stride = 16;
    if (which == 3) bad.q = memory.data() + 4;
    EXPECT_EQ(WriteLatentsCuda({}, bad).error, DeviceError::kInvalidArgument) << which;
  }
}

}  // namespace
}  // namespace sextant
