// The determinism rule, kernel by kernel: a row has the same bytes in a call of 1, 2, 5, 7, 8, 64
// or 512 rows, wherever it lies in it, and on any number of threads.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/device/backend.h"
#include "common/device/stream.h"
#include "kernels/embedding/embedding.h"
#include "kernels/feed_forward/grouped_feed_forward.h"
#include "kernels/linear/linear.h"
#include "kernels/mla/mla_decode.h"
#include "kernels/mla/mla_prefill.h"
#include "kernels/moe/combine.h"
#include "kernels/moe/topk_softmax.h"
#include "kernels/norm/rms_norm.h"
#include "kernels/rope/apply_rope.h"
#include "kernels/rope/yarn.h"
#include "kernels/sampling/sample.h"
#include "tests/unit/kernels/linear/random_matrix.h"
#include "tests/unit/kernels/mla/mla_case.h"

namespace sextant {
namespace {

constexpr std::int64_t kRows = 512;
constexpr MlaDims kDims{.num_heads = 2, .nope = 18, .rope = 6, .v = 10, .rank = 24};

// Rows [first, first + count) of one fixed problem, packed: what a call with only them computes.
using RowsOf =
    std::function<std::vector<float>(Stream& stream, std::int64_t first, std::int64_t count)>;

std::vector<float> Packed(std::int64_t count, std::int64_t cols) {
  return std::vector<float>(static_cast<std::size_t>(count * cols), -7.0F);
}

void ExpectOk(const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; }

RowsOf LinearRows(Precision precision, DType dtype) {
  constexpr std::int64_t kOutputs = 19;
  constexpr std::int64_t kCols = 1101;
  auto x = std::make_shared<RandomMatrix>(kRows, kCols, 1, precision);
  auto weight = std::make_shared<RandomWeight>(kOutputs, kCols, 2, dtype);
  return [=](Stream& stream, std::int64_t first, std::int64_t count) {
    std::vector<float> y = Packed(count, kOutputs);
    ExpectOk(Linear(stream, {.x = x->view().Rows(first, count),
                             .weight = weight->view(),
                             .y = {y.data(), count, kOutputs},
                             .precision = precision}));
    return y;
  };
}

RowsOf FeedForwardRows(Precision precision, DType dtype) {
  constexpr std::int64_t kHidden = 70;
  constexpr std::int64_t kWidth = 45;
  auto x = std::make_shared<RandomMatrix>(kRows, kHidden, 1, precision);
  auto gate = std::make_shared<RandomWeight>(kWidth, kHidden, 2, dtype);
  auto up = std::make_shared<RandomWeight>(kWidth, kHidden, 3, dtype);
  auto down = std::make_shared<RandomWeight>(kHidden, kWidth, 4, dtype);
  return [=](Stream& stream, std::int64_t first, std::int64_t count) {
    std::vector<float> y = Packed(count, kHidden);
    const ExpertRows expert{.weights = {gate->view(), up->view(), down->view()}, .rows = {}};
    ExpectOk(GroupedFeedForward(stream, {.x = x->view().Rows(first, count),
                                         .experts = {&expert, 1},
                                         .y = {y.data(), count, kHidden},
                                         .precision = precision}));
    return y;
  };
}

RowsOf EmbeddingRows(Precision precision, DType dtype) {
  constexpr std::int64_t kHidden = 33;
  auto table = std::make_shared<RandomWeight>(kRows, kHidden, 1, dtype);
  return [=](Stream& stream, std::int64_t first, std::int64_t count) {
    std::vector<std::int32_t> ids;
    for (std::int64_t i = 0; i < count; ++i) {
      ids.push_back(static_cast<std::int32_t>((first + i) * 5 % kRows));
    }
    std::vector<float> rows = Packed(count, kHidden);
    ExpectOk(Embedding(stream, {.table = table->view(),
                                .ids = ids,
                                .precision = precision,
                                .rows = {rows.data(), count, kHidden}}));
    return rows;
  };
}

RowsOf NormRows(Precision precision, DType dtype) {
  constexpr std::int64_t kCols = 515;
  auto x = std::make_shared<RandomMatrix>(kRows, kCols, 1, precision);
  auto delta = std::make_shared<RandomMatrix>(kRows, kCols, 2, precision);
  auto weight = std::make_shared<RandomWeight>(1, kCols, 3, dtype);
  // The plain norm's row, then the sum and the norm of the one that adds.
  return [=](Stream& stream, std::int64_t first, std::int64_t count) {
    std::vector<float> all = Packed(count, 3 * kCols);
    const MatrixView<float> rows(all.data(), count, 3 * kCols);
    const MatrixView<float> h = rows.Cols(kCols, kCols);
    for (std::int64_t t = 0; t < count; ++t) {
      std::memcpy(h.Row(t), x->view().Row(first + t), kCols * sizeof(float));
    }
    ExpectOk(RmsNorm(stream, {.x = x->view().Rows(first, count),
                              .weight = weight->view(),
                              .y = rows.Cols(0, kCols),
                              .precision = precision}));
    ExpectOk(AddRmsNorm(stream, {.h = h,
                                 .delta = delta->view().Rows(first, count),
                                 .weight = weight->view(),
                                 .y = rows.Cols(2 * kCols, kCols),
                                 .precision = precision}));
    return all;
  };
}

// Cosines and sines of positions first, first + 1, ..., [count, rope / 2] each.
struct Angles {
  Angles(std::int64_t rope, std::int64_t first, std::int64_t count, Precision precision)
      : cos_values(Packed(count, rope / 2)),
        sin_values(Packed(count, rope / 2)),
        cos(cos_values.data(), count, rope / 2),
        sin(sin_values.data(), count, rope / 2) {
    std::vector<std::int64_t> positions;
    for (std::int64_t i = 0; i < count; ++i) positions.push_back(first + i);
    RopeTable::Create({.theta = 10000.0, .rope_dim = rope})->Rows(positions, precision, cos, sin);
  }
  std::vector<float> cos_values, sin_values;
  MatrixView<float> cos, sin;
};

RowsOf RopeRows(Precision precision, DType /*dtype*/) {
  constexpr std::int64_t kHeads = 3;
  constexpr std::int64_t kCols = kHeads * 50;
  auto x = std::make_shared<RandomMatrix>(kRows, kCols, 1, precision);
  return [=](Stream& stream, std::int64_t first, std::int64_t count) {
    std::vector<float> rows = Packed(count, kCols);
    for (std::int64_t t = 0; t < count; ++t) {
      std::memcpy(rows.data() + t * kCols, x->view().Row(first + t), kCols * sizeof(float));
    }
    const Angles angles(34, first, count, precision);
    ExpectOk(ApplyRope(stream, {.x = {rows.data(), count, kCols},
                                .num_heads = kHeads,
                                .cos = angles.cos,
                                .sin = angles.sin,
                                .precision = precision}));
    return rows;
  };
}

RowsOf LatentRows(Precision precision, DType dtype) {
  constexpr std::int64_t kRank = 37;
  constexpr std::int64_t kRope = 18;
  constexpr std::int64_t kWidth = kRank + kRope;
  auto kva = std::make_shared<RandomMatrix>(kRows, kWidth, 1, precision);
  auto weight = std::make_shared<RandomWeight>(1, kRank, 2, dtype);
  return [=](Stream& stream, std::int64_t first, std::int64_t count) {
    std::vector<std::int64_t> slots;  // in another order than the rows
    for (std::int64_t t = 0; t < count; ++t) slots.push_back(count - 1 - t);
    std::vector<float> cache = Packed(count, kWidth);
    std::vector<Bf16> cache16(cache.size());
    const bool bf16 = precision == Precision::kBf16;
    const Angles angles(kRope, first, count, precision);
    ExpectOk(WriteLatents(stream, {.kva = kva->view().Rows(first, count),
                                   .norm_weight = weight->view(),
                                   .cos = angles.cos,
                                   .sin = angles.sin,
                                   .slots = slots,
                                   .cache = {.data = bf16 ? static_cast<void*>(cache16.data())
                                                          : static_cast<void*>(cache.data()),
                                             .dtype = StorageType(precision),
                                             .num_blocks = count,
                                             .block_tokens = 1,
                                             .width = kWidth},
                                   .precision = precision}));
    std::vector<float> rows;
    for (const std::int64_t slot : slots) {
      for (std::int64_t i = slot * kWidth; i < (slot + 1) * kWidth; ++i) {
        const auto at = static_cast<std::size_t>(i);
        rows.push_back(bf16 ? ToFloat(cache16[at]) : cache[at]);
      }
    }
    return rows;
  };
}

RowsOf PrefillRows(Precision precision, DType dtype) {
  auto mla = std::make_shared<MlaCase>(
      MlaCaseOptions{.dims = kDims, .length = kRows, .precision = precision, .weight = dtype});
  return [=](Stream& stream, std::int64_t first, std::int64_t count) {
    std::vector<float> out = Packed(count, mla->out_cols());
    ExpectOk(MlaPrefill(stream, {.dims = kDims,
                                 .q = mla->q().Rows(first, count),
                                 .kv_b = mla->kv_b(),
                                 .cache = mla->cache(),
                                 .blocks = mla->blocks(),
                                 .start = first,
                                 .scale = mla->scale(),
                                 .out = {out.data(), count, mla->out_cols()},
                                 .precision = precision}));
    return out;
  };
}

RowsOf DecodeRows(Precision precision, DType dtype) {
  auto mla = std::make_shared<MlaCase>(
      MlaCaseOptions{.dims = kDims, .length = kRows, .precision = precision, .weight = dtype});
  return [=](Stream& stream, std::int64_t first, std::int64_t count) {
    std::vector<MlaDecodeRow> rows;
    for (std::int64_t t = 0; t < count; ++t) rows.push_back({mla->blocks(), first + t + 1});
    std::vector<float> out = Packed(count, mla->out_cols());
    ExpectOk(MlaDecode(stream, {.dims = kDims,
                                .q = mla->q().Rows(first, count),
                                .kv_b = mla->kv_b(),
                                .cache = mla->cache(),
                                .rows = rows,
                                .scale = mla->scale(),
                                .out = {out.data(), count, mla->out_cols()},
                                .precision = precision}));
    return out;
  };
}

// Six weights, then six expert ids.
RowsOf GateRows(Precision /*precision*/, DType /*dtype*/) {
  constexpr std::int64_t kExperts = 64;
  constexpr std::int64_t kChosen = 6;
  auto logits = std::make_shared<RandomMatrix>(kRows, kExperts, 1, Precision::kFp32);
  return [=](Stream& stream, std::int64_t first, std::int64_t count) {
    std::vector<float> rows = Packed(count, 2 * kChosen);
    std::vector<std::int32_t> ids(static_cast<std::size_t>(count * kChosen));
    const MatrixView<float> view(rows.data(), count, 2 * kChosen);
    ExpectOk(TopkSoftmax(stream, {.gate_logits = logits->view().Rows(first, count),
                                  .groups = 8,
                                  .kept_groups = 3,
                                  .scale = 16.0F,
                                  .weights = view.Cols(0, kChosen),
                                  .expert_ids = {ids.data(), count, kChosen}}));
    for (std::int64_t t = 0; t < count; ++t) {
      for (std::int64_t k = 0; k < kChosen; ++k) {
        view.Row(t)[kChosen + k] =
            static_cast<float>(ids[static_cast<std::size_t>(t * kChosen + k)]);
      }
    }
    return rows;
  };
}

RowsOf CombineRows(Precision precision, DType /*dtype*/) {
  constexpr std::int64_t kHidden = 75;
  constexpr std::int64_t kChosen = 6;
  auto experts = std::make_shared<RandomMatrix>(kRows * kChosen, kHidden, 1, precision);
  auto weights = std::make_shared<RandomMatrix>(kRows, kChosen, 2, Precision::kFp32);
  auto shared = std::make_shared<RandomMatrix>(kRows, kHidden, 3, precision);
  auto residual = std::make_shared<RandomMatrix>(kRows, kHidden, 4, precision);
  return [=](Stream& stream, std::int64_t first, std::int64_t count) {
    std::vector<float> rows = Packed(count, kHidden);
    std::vector<std::int32_t> output_row;
    for (std::int64_t t = 0; t < count; ++t) {
      std::memcpy(rows.data() + t * kHidden, residual->view().Row(first + t),
                  kHidden * sizeof(float));
      for (std::int64_t k = 0; k < kChosen; ++k) {
        output_row.push_back(static_cast<std::int32_t>(k * kRows + first + t));
      }
    }
    ExpectOk(Combine(stream, {.expert_out = experts->view(),
                              .output_row = output_row,
                              .weights = weights->view().Rows(first, count),
                              .shared_out = shared->view().Rows(first, count),
                              .precision = precision,
                              .residual = {rows.data(), count, kHidden}}));
    return rows;
  };
}

// The id, its logprob, and the logprob of the heaviest.
RowsOf SampledRows(Precision /*precision*/, DType /*dtype*/) {
  constexpr std::int64_t kVocab = 700;
  auto logits = std::make_shared<RandomMatrix>(kRows, kVocab, 1, Precision::kFp32);
  return [=](Stream& stream, std::int64_t first, std::int64_t count) {
    const SamplingParams params{.top_k = 90, .top_p = 0.9F, .logprobs = 1, .seed = 5};
    std::vector<SampleRow> rows;
    for (std::int64_t t = 0; t < count; ++t) {
      rows.push_back({.params = &params, .position = static_cast<std::uint64_t>(first + t)});
    }
    std::vector<absl::StatusOr<SampledToken>> tokens(rows.size());
    ExpectOk(Sample(stream, {.logits = logits->view().Rows(first, count),
                             .rows = rows,
                             .results = absl::MakeSpan(tokens)}));
    std::vector<float> values;
    for (const absl::StatusOr<SampledToken>& token : tokens) {
      values.insert(values.end(),
                    {static_cast<float>(token->id), token->logprob, token->heaviest.at(0).logprob});
    }
    return values;
  };
}

struct Kernel {
  const char* name;
  RowsOf (*make)(Precision precision, DType dtype);
};

constexpr Kernel kKernels[] = {
    {"Linear", LinearRows},      {"FeedForward", FeedForwardRows}, {"Embedding", EmbeddingRows},
    {"RmsNorm", NormRows},       {"ApplyRope", RopeRows},          {"WriteLatents", LatentRows},
    {"MlaPrefill", PrefillRows}, {"MlaDecode", DecodeRows},        {"TopkSoftmax", GateRows},
    {"Combine", CombineRows},    {"Sample", SampledRows},
};

using Parameter = std::tuple<Kernel, Precision, DType, Backend>;

class RowBitsTest : public testing::TestWithParam<Parameter> {};

TEST_P(RowBitsTest, DoNotDependOnTheOtherRowsNorOnTheThreads) {
  const auto& [kernel, precision, dtype, backend] = GetParam();
  const RowsOf rows_of = kernel.make(precision, dtype);
  ThreadPool one(1);
  Stream single(backend, one);
  std::vector<float> alone;
  for (std::int64_t row = 0; row < kRows; ++row) {
    const std::vector<float> values = rows_of(single, row, 1);
    alone.insert(alone.end(), values.begin(), values.end());
  }
  const std::size_t cols = alone.size() / kRows;
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    Stream stream(backend, pool);
    for (const std::int64_t count : {1, 2, 5, 7, 8, 64, 512}) {
      for (std::int64_t first : {std::int64_t{0}, std::int64_t{5}, kRows - count}) {
        first = std::min(first, kRows - count);
        const std::vector<float> together = rows_of(stream, first, count);
        ASSERT_EQ(together.size(), static_cast<std::size_t>(count) * cols);
        EXPECT_EQ(
            std::memcmp(together.data(), alone.data() + static_cast<std::size_t>(first) * cols,
                        together.size() * sizeof(float)),
            0)
            << count << " rows from " << first << " on, " << threads << " threads";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, RowBitsTest,
                         testing::Combine(testing::ValuesIn(kKernels),
                                          testing::Values(Precision::kBf16, Precision::kFp32),
                                          testing::Values(DType::kBf16, DType::kFp32),
                                          testing::ValuesIn(SupportedBackends())),
                         [](const auto& test) {
                           return absl::StrCat(std::get<0>(test.param).name, "_",
                                               Name(StorageType(std::get<1>(test.param))),
                                               "_weights_", Name(std::get<2>(test.param)), "_on_",
                                               AsTestName(std::get<3>(test.param)));
                         });

}  // namespace
}  // namespace sextant
