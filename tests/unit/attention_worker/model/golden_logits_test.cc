// Whole models against what the published implementation computed for them (tests/golden).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "attention_worker/model/transformer.h"
#include "common/device/backend.h"
#include "tests/golden/golden_model.h"
#include "tests/support/loaded_model.h"
#include "tests/support/shared_data.h"

namespace sextant {
namespace {

// The project's limit for f32: the files themselves are within 2e-5 of exact arithmetic.
constexpr double kFp32Limit = 1e-4;

using Rows = std::vector<std::vector<float>>;

// The largest difference of `rows` from those rows of `logits` that begin at `first`.
double Distance(const std::vector<float>& logits, const Rows& rows, std::size_t first) {
  double largest = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t v = 0; v < rows[i].size(); ++v) {
      const double value = logits[(first + i) * rows[i].size() + v];
      const double difference = std::abs(value - static_cast<double>(rows[i][v]));
      if (!(difference <= largest)) largest = difference;  // also when it is no number
    }
  }
  return largest;
}

std::vector<std::int32_t> ArgMaxes(const std::vector<float>& logits, std::size_t vocab) {
  std::vector<std::int32_t> ids;
  for (std::size_t begin = 0; begin < logits.size(); begin += vocab) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(begin);
    ids.push_back(static_cast<std::int32_t>(
        std::max_element(row, row + static_cast<std::ptrdiff_t>(vocab)) - row));
  }
  return ids;
}

// How a sequence is fed; 0: in one piece.
struct Feeding {
  std::int64_t prompt;
  std::int64_t prompt_chunk;
  std::int64_t generated_chunk;
};

// A name of tests/golden/model, or a folder of the shared data; and a backend.
using Parameter = std::tuple<std::string, Backend>;

class GoldenLogitsTest : public testing::TestWithParam<Parameter> {
 protected:
  void SetUp() override {
    model_ = std::get<0>(GetParam());
    std::string folder = model_;
    if (folder.find('/') != std::string::npos) {
      folder = SharedData(folder);
      SEXTANT_SKIP_WITHOUT_SHARED(folder);
    } else {
      folder = GoldenModelFolder(folder);
    }
    auto golden = ReadGoldenModel(folder);
    ASSERT_TRUE(golden.ok()) << golden.status();
    golden_ = *std::move(golden);
    vocab_ = golden_.logits_fp32[0].size();
  }

  [[nodiscard]] static Backend backend() { return std::get<1>(GetParam()); }
  // The reference backend expands every key again in every step; what it computes is tested with
  // the fewest steps.
  [[nodiscard]] static bool naive() { return backend() == Backend::kReference; }

  [[nodiscard]] std::unique_ptr<LoadedModel> Open(Precision precision,
                                                  std::int32_t num_blocks = 8) const {
    return LoadedModel::Open(golden_.folder, {.backend = backend(),
                                              .threads = 2,
                                              .precision = precision,
                                              .block_tokens = 16,
                                              .num_blocks = num_blocks});
  }

  [[nodiscard]] std::vector<float> Logits(LoadedModel& model, const Feeding& feeding) const {
    const auto all = static_cast<std::int64_t>(golden_.ids.size());
    return FeedAlone(model, golden_.ids, feeding.prompt,
                     feeding.prompt_chunk == 0 ? all : feeding.prompt_chunk,
                     feeding.generated_chunk == 0 ? all : feeding.generated_chunk);
  }

  std::string model_;
  GoldenModel golden_;
  std::size_t vocab_ = 0;
};

TEST_P(GoldenLogitsTest, PromptInOnePieceAndInChunks) {
  const auto model = Open(Precision::kFp32);
  ASSERT_NE(model, nullptr);
  for (const std::int64_t chunk : {0, 1, 7, 16}) {
    if (naive() && chunk == 1) continue;
    const std::vector<float> logits = Logits(*model, {40, chunk, 0});
    ASSERT_EQ(logits.size(), 40 * vocab_);
    EXPECT_LE(Distance(logits, golden_.logits_fp32, 0), kFp32Limit) << "chunks of " << chunk;
    EXPECT_EQ(ArgMaxes(logits, vocab_), golden_.argmax_fp32) << "chunks of " << chunk;
  }
}

TEST_P(GoldenLogitsTest, GeneratedPositionsOneByOneAndManyAtOnce) {
  const auto model = Open(Precision::kFp32);
  ASSERT_NE(model, nullptr);
  for (const std::int64_t prompt : {0, 1, 17}) {
    for (const std::int64_t rows : {1, 7, 16, 0}) {
      if (naive() && (rows != 0 || prompt == 1)) continue;
      const std::vector<float> logits = Logits(*model, {prompt, 0, rows});
      ASSERT_EQ(logits.size(), 40 * vocab_);
      EXPECT_LE(Distance(logits, golden_.logits_fp32, 0), kFp32Limit)
          << "after " << prompt << " of the prompt, " << rows << " at once";
    }
  }
}

// Remembers what the gate chose, layer by layer and position by position.
class RoutingRecord final : public RoutingObserver {
 public:
  void OnRouting(int layer, MatrixView<const std::int32_t> expert_ids,
                 MatrixView<const float> weights) override {
    GoldenRouting& routing = layers[layer];
    for (std::int64_t t = 0; t < expert_ids.rows; ++t) {
      routing.expert_ids.emplace_back(expert_ids.Row(t), expert_ids.Row(t) + expert_ids.cols);
      routing.weights.emplace_back(weights.Row(t), weights.Row(t) + weights.cols);
    }
  }
  std::map<std::int64_t, GoldenRouting> layers;
};

TEST_P(GoldenLogitsTest, RoutingIsEqual) {
  const auto model = Open(Precision::kFp32);
  ASSERT_NE(model, nullptr);
  for (const Feeding& feeding : {Feeding{40, 0, 0}, Feeding{40, 7, 0}, Feeding{17, 0, 1}}) {
    if (naive() && feeding.prompt_chunk != 0) continue;
    RoutingRecord record;
    model->transformer().set_routing_observer(&record);
    (void)Logits(*model, feeding);
    model->transformer().set_routing_observer(nullptr);
    ASSERT_EQ(record.layers.size(), golden_.routing.size());
    for (const GoldenRouting& wanted : golden_.routing) {
      const GoldenRouting& found = record.layers[wanted.layer];
      EXPECT_EQ(found.expert_ids, wanted.expert_ids) << "layer " << wanted.layer;
      ASSERT_EQ(found.weights.size(), wanted.weights.size());
      for (std::size_t t = 0; t < wanted.weights.size(); ++t) {
        // A weight is a share of at most 16 (the models' scaling): relative to it, not to 1.
        EXPECT_THAT(found.weights[t],
                    testing::Pointwise(testing::FloatNear(1e-4F), wanted.weights[t]))
            << "layer " << wanted.layer << ", position " << t;
      }
    }
  }
}

// Not on the reference backend, which would take minutes.
class GoldenLongPromptTest : public GoldenLogitsTest {};

TEST_P(GoldenLongPromptTest, TheLastLogitsInOnePieceAndInChunks) {
  const auto model = Open(Precision::kFp32, 300);
  ASSERT_NE(model, nullptr);
  const auto length = static_cast<std::int64_t>(golden_.long_ids.size());
  for (const auto& [prompt, chunk] : {std::pair(length, length), std::pair(length - 4, 500L)}) {
    // In one piece; and in chunks, with the last positions as generated ones.
    const std::vector<float> logits = FeedAlone(*model, golden_.long_ids, prompt, chunk, 1);
    ASSERT_EQ(logits.size(), golden_.long_ids.size() * vocab_);
    EXPECT_LE(Distance(logits, golden_.long_last_logits, golden_.long_ids.size() - 4), kFp32Limit)
        << "chunks of " << chunk;
  }
}

// The median over the positions of the largest difference at each: what rounding does to a
// typical one, whatever happens to those whose sixth and seventh expert all but tie.
double TypicalDistance(const Rows& rows, const Rows& wanted) {
  std::vector<double> distances;
  for (std::size_t t = 0; t < rows.size(); ++t) {
    distances.push_back(Distance(rows[t], {wanted[t]}, 0));
  }
  std::sort(distances.begin(), distances.end());
  return distances[distances.size() / 2];
}

Rows RowsOf(const std::vector<float>& logits, std::size_t vocab) {
  Rows rows;
  for (std::size_t begin = 0; begin < logits.size(); begin += vocab) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(begin);
    rows.emplace_back(row, row + static_cast<std::ptrdiff_t>(vocab));
  }
  return rows;
}

TEST_P(GoldenLogitsTest, Bf16IsAsCloseToF32AsThePublishedCodeIs) {
  const auto model = Open(Precision::kBf16);
  ASSERT_NE(model, nullptr);
  for (const Feeding& feeding : {Feeding{40, 0, 0}, Feeding{40, 7, 0}, Feeding{1, 0, 0}}) {
    const std::vector<float> logits = Logits(*model, feeding);
    ASSERT_EQ(logits.size(), 40 * vocab_);
    SCOPED_TRACE(
        absl::StrCat("prompt of ", feeding.prompt, " in chunks of ", feeding.prompt_chunk));
    if (golden_.logits_bf16.size() == 40) {
      EXPECT_LE(TypicalDistance(RowsOf(logits, vocab_), golden_.logits_fp32),
                1.5 * TypicalDistance(golden_.logits_bf16, golden_.logits_fp32));
    }
    // In "v2" bf16 sends two prompt positions to other experts than the file's bf16 does, and its
    // scaling of 16 makes that larger than any rounding; there the typical distance has to do.
    if (model_ != "v2") {
      EXPECT_LE(Distance(logits, golden_.logits_fp32, 0), 2 * golden_.bf16_distance);
    }
    if (model_.ends_with("lite") && feeding.prompt == 40) {
      const std::vector<std::int32_t> chosen = ArgMaxes(logits, vocab_);
      int equal = 0;
      for (std::size_t t = 0; t < chosen.size(); ++t) {
        equal += chosen[t] == golden_.argmax_bf16[t] ? 1 : 0;
      }
      // The published model's shape by DeepSeek's own code; ours was made by another's, which
      // sums the experts elsewhere.
      EXPECT_GE(equal, model_ == "lite" ? 38 : 39);
    }
  }
}

std::vector<std::string> Models() {
  std::vector<std::string> models = GoldenModelNames();
  models.insert(models.end(), {"model/golden/lite", "model/golden/v2"});
  return models;
}

std::string TestName(const testing::TestParamInfo<Parameter>& test) {
  std::string name = absl::StrCat(std::get<0>(test.param), "_on_", Name(std::get<1>(test.param)));
  if (name.starts_with("model/")) name.replace(0, 13, "shared_");
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::vector<Backend> BackendsInUse() {
  std::vector<Backend> backends = SupportedBackends();
  std::erase(backends, Backend::kReference);
  return backends;
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenLogitsTest,
                         testing::Combine(testing::ValuesIn(Models()),
                                          testing::ValuesIn(SupportedBackends())),
                         TestName);
INSTANTIATE_TEST_SUITE_P(Models, GoldenLongPromptTest,
                         testing::Combine(testing::ValuesIn(Models()),
                                          testing::ValuesIn(BackendsInUse())),
                         TestName);

}  // namespace
}  // namespace sextant
