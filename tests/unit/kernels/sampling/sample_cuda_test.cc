#include "kernels/sampling/sample_cuda.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "kernels/sampling/sample_cuda_params.h"
#include "kernels/sampling/sample_row.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/values.h"

namespace sextant {
namespace {

struct Row {
  SamplingParams params;
  std::vector<std::int32_t> prompt = {};
  std::vector<std::int32_t> output = {};
  std::uint64_t position = 0;
};

// Rows of logits with parameters, by the device and by the oracle.
class Batch {
 public:
  Batch(std::vector<Bf16> logits, std::int32_t vocab_size, std::vector<std::int32_t> banned = {})
      : vocab_size_(vocab_size), logits_(std::move(logits)), banned_(std::move(banned)) {}

  [[nodiscard]] std::int64_t rows() const {
    return static_cast<std::int64_t>(logits_.size()) / vocab_size_;
  }

  // Row i of the batch takes row first + i of the logits, and params[i].
  [[nodiscard]] std::vector<SampledTokenCuda> Run(const std::vector<Row>& params,
                                                  std::int64_t first = 0) const {
    const auto count = static_cast<std::int64_t>(params.size());
    const std::int64_t stride = DivideUp(vocab_size_, 8) * 8;
    std::vector<Bf16> padded;
    for (std::int64_t r = first; r < first + count; ++r) {
      const std::vector<Bf16> row = RowsOf(logits_, r, 1, vocab_size_);
      padded.insert(padded.end(), row.begin(), row.end());
      padded.resize(static_cast<std::size_t>((r - first + 1) * stride), Bf16{0xffff});
    }
    std::vector<std::unique_ptr<DeviceArray<std::int32_t>>> ids;
    std::vector<std::unique_ptr<DeviceArray<LogitBiasCuda>>> biases;
    std::vector<SampleRowCuda> rows;
    for (const Row& row : params) rows.push_back(Upload(row, ids, biases));
    std::vector<std::uint32_t> bits(static_cast<std::size_t>(DivideUp(vocab_size_, 32)), 0);
    for (const std::int32_t id : banned_) {
      bits[static_cast<std::size_t>(id / 32)] |= 1U << (id % 32);
    }
    const DeviceArray<Bf16> on_device(padded);
    const DeviceArray<std::uint32_t> ban(bits);
    const DeviceArray<SampleRowCuda> table(rows);
    const DeviceArray<float> adjusted(static_cast<std::size_t>(count * stride), NAN);
    const DeviceArray<std::uint32_t> counts(adjusted.size(), 0xffffffffU);
    const DeviceArray<SampledTokenCuda> results(static_cast<std::size_t>(count),
                                                SampledTokenCuda{});
    EXPECT_TRUE(Ran(SampleCuda({}, {.logits = on_device.data(),
                                    .logits_stride = stride,
                                    .rows = count,
                                    .vocab_size = vocab_size_,
                                    .banned = banned_.empty() ? nullptr : ban.data(),
                                    .params = table.data(),
                                    .adjusted = adjusted.data(),
                                    .counts = counts.data(),
                                    .results = results.data()})));
    return results.Read();
  }

  [[nodiscard]] absl::StatusOr<SampledToken> Expected(const Row& params, std::int64_t r) const {
    const std::vector<float> logits = Widened(RowsOf(logits_, r, 1, vocab_size_));
    const SampleRow row{.params = &params.params,
                        .prompt = params.prompt,
                        .output = params.output,
                        .position = params.position};
    return SampleRowReference({.logits = logits, .banned_ids = banned_, .row = &row});
  }

  void ExpectAgreement(const std::vector<Row>& params) const {
    const std::vector<SampledTokenCuda> results = Run(params);
    for (std::size_t r = 0; r < params.size(); ++r) {
      SCOPED_TRACE(testing::Message() << "row " << r);
      const absl::StatusOr<SampledToken> expected =
          Expected(params[r], static_cast<std::int64_t>(r));
      ASSERT_TRUE(expected.ok()) << expected.status();
      EXPECT_EQ(results[r].status, SampleStatus::kOk);
      EXPECT_EQ(results[r].id, expected->id);
      if (!params[r].params.logprobs.has_value()) continue;
      // Exponentials of 2 ulp, their sum to 2^-44 of each, and one rounding of the result.
      const auto tolerance = [](float logprob) {
        return (2.0 + std::abs(static_cast<double>(logprob))) * std::ldexp(1.0, -22);
      };
      EXPECT_NEAR(results[r].logprob, expected->logprob, tolerance(expected->logprob));
      ASSERT_EQ(results[r].heaviest_count, static_cast<std::int32_t>(expected->heaviest.size()));
      for (std::size_t i = 0; i < expected->heaviest.size(); ++i) {
        EXPECT_EQ(results[r].heaviest_ids[i], expected->heaviest[i].id);
        EXPECT_NEAR(results[r].heaviest_logprobs[i], expected->heaviest[i].logprob,
                    tolerance(expected->heaviest[i].logprob));
      }
    }
  }

 private:
  static SampleRowCuda Upload(const Row& row,
                              std::vector<std::unique_ptr<DeviceArray<std::int32_t>>>& ids,
                              std::vector<std::unique_ptr<DeviceArray<LogitBiasCuda>>>& biases) {
    const SamplingParams& params = row.params;
    const auto upload = [&](const std::vector<std::int32_t>& values) {
      ids.push_back(std::make_unique<DeviceArray<std::int32_t>>(values));
      return ids.back()->data();
    };
    std::vector<LogitBiasCuda> bias;
    for (const LogitBias& entry : params.logit_bias) bias.push_back({entry.id, entry.bias});
    biases.push_back(std::make_unique<DeviceArray<LogitBiasCuda>>(bias));
    SampleRowCuda device = DeviceSampleRow(params, row.position);
    device.prompt = upload(row.prompt);
    device.output = upload(row.output);
    device.bias = biases.back()->data();
    device.prompt_count = static_cast<std::int32_t>(row.prompt.size());
    device.output_count = static_cast<std::int32_t>(row.output.size());
    device.bias_count = static_cast<std::int32_t>(bias.size());
    return device;
  }

  std::int32_t vocab_size_;
  std::vector<Bf16> logits_;
  std::vector<std::int32_t> banned_;
};

std::vector<Row> Drawn(std::size_t count, const SamplingParams& params) {
  std::vector<Row> rows(count);
  for (std::size_t i = 0; i < count; ++i) {
    rows[i].params = params;
    rows[i].params.seed = 0x1234567890abcdefU + i * 77;
    rows[i].position = 5 + i * 1000003;
  }
  return rows;
}

class SampleCudaTest : public DeviceTest {};

TEST_F(SampleCudaTest, GreedyTakesTheHeaviestAndTheLowerOfEquals) {
  std::vector<Bf16> logits(64, ToBf16(-1.0F));
  logits[50] = logits[13] = ToBf16(2.0F);
  const Batch batch(logits, 64);
  EXPECT_EQ(batch.Run({{.params = {.temperature = 0.0F}}})[0].id, 13);
}

TEST_F(SampleCudaTest, DrawsTheTokenOfTheReference) {
  for (const std::int32_t vocab : {1, 33, 1000, 3001}) {
    SCOPED_TRACE(vocab);
    const Batch batch(NormalBf16(std::int64_t{4} * vocab, 2.0, 3), vocab);
    for (const float temperature : {0.3F, 1.0F, 20.0F}) {
      batch.ExpectAgreement(Drawn(4, {.temperature = temperature}));
      batch.ExpectAgreement(Drawn(4, {.temperature = temperature, .top_k = 5}));
      batch.ExpectAgreement(Drawn(4, {.temperature = temperature, .top_p = 0.9F}));
      batch.ExpectAgreement(
          Drawn(4, {.temperature = temperature, .top_k = 40, .top_p = 0.5F, .min_p = 0.02F}));
    }
  }
}

TEST_F(SampleCudaTest, TiesAreCutByTheirIds) {
  // All alike: more members of one bin than are listed, and only ids tell them apart.
  const Batch batch(std::vector<Bf16>(std::size_t{4} * 3000, ToBf16(1.5F)), 3000);
  batch.ExpectAgreement(Drawn(4, {.top_k = 2}));
  batch.ExpectAgreement(Drawn(4, {.top_k = 1700, .top_p = 0.6F}));
  batch.ExpectAgreement(Drawn(4, {.top_p = 0.3F}));
}

TEST_F(SampleCudaTest, PenaltiesAndBiasComeFirst) {
  constexpr std::int32_t kVocab = 500;
  const Batch batch(NormalBf16(6 * kVocab, 2.0, 4), kVocab);
  std::vector<Row> rows = Drawn(6, {.temperature = 0.8F, .top_p = 0.95F});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    SamplingParams& params = rows[i].params;
    if (i != 0) params.repetition_penalty = 1.3F;
    if (i % 2 == 1) params.frequency_penalty = 0.5F;
    if (i % 3 == 1) params.presence_penalty = -1.0F;
    if (i != 4) params.logit_bias = {{7, 3.0F}, {499, -100.0F}, {12, 6.0F}};
    rows[i].prompt = {1, 2, 3, 7, 7, 499};
    rows[i].output = {7, 12, 12, 12, 400};
  }
  batch.ExpectAgreement(rows);
}

TEST_F(SampleCudaTest, BannedIdsAreNeverDrawn) {
  std::vector<std::int32_t> banned;
  for (std::int32_t id = 0; id < 100; ++id) {
    if (id != 37 && id != 99) banned.push_back(id);
  }
  const Batch batch(NormalBf16(8 * 100, 2.0, 5), 100, banned);
  batch.ExpectAgreement(Drawn(8, {.temperature = 5.0F, .logprobs = 3}));
}

TEST_F(SampleCudaTest, LogprobsAreThoseOfTheRawLogits) {
  const Batch batch(NormalBf16(4 * 700, 3.0, 6), 700);
  for (const std::int32_t count : {0, 1, 20}) {
    batch.ExpectAgreement(
        Drawn(4, {.temperature = 0.5F, .logit_bias = {{3, 50.0F}}, .logprobs = count}));
  }
}

TEST_F(SampleCudaTest, RowsHaveTheirOwnFaults) {
  std::vector<Bf16> logits = NormalBf16(3 * 40, 1.0, 7);
  logits[41] = ToBf16(NAN);
  logits[85] = ToBf16(INFINITY);
  const Batch batch(logits, 40);
  const std::vector<SampledTokenCuda> results = batch.Run(Drawn(3, {}));
  EXPECT_EQ(results[0].status, SampleStatus::kOk);
  EXPECT_EQ(results[1].status, SampleStatus::kNotFinite);
  EXPECT_EQ(results[2].status, SampleStatus::kNotFinite);
  const Batch none(NormalBf16(2, 1.0, 8), 2, {0, 1});
  EXPECT_EQ(none.Run(Drawn(1, {}))[0].status, SampleStatus::kAllBanned);
}

TEST_F(SampleCudaTest, ARowDrawsTheSameAloneAndInABatch) {
  const Batch batch(NormalBf16(20 * 1000, 2.0, 9), 1000);
  const std::vector<Row> rows = Drawn(20, {.temperature = 0.9F, .top_p = 0.9F, .logprobs = 2});
  const std::vector<SampledTokenCuda> together = batch.Run(rows);
  for (std::size_t r = 0; r < rows.size(); r += 3) {
    const SampledTokenCuda alone = batch.Run({rows[r]}, static_cast<std::int64_t>(r))[0];
    EXPECT_EQ(alone.id, together[r].id);
    EXPECT_EQ(alone.logprob, together[r].logprob);
  }
}

TEST_F(SampleCudaTest, TheWholeVocabularyOfTheModel) {
  constexpr std::int32_t kVocab = 102400;
  const Batch batch(NormalBf16(2 * kVocab, 2.5, 10), kVocab);
  batch.ExpectAgreement(Drawn(2, {.temperature = 1.0F, .top_p = 0.95F}));
  batch.ExpectAgreement(Drawn(2, {.temperature = 0.3F, .top_p = 0.95F}));
}

TEST_F(SampleCudaTest, RefusesWhatDoesNotFit) {
  const DeviceArray<float> memory(64, 1.0F);
  SampleCudaArgs args{.logits = reinterpret_cast<const Bf16*>(memory.data()),
                      .logits_stride = 16,
                      .vocab_size = 10,
                      .adjusted = memory.data(),
                      .counts = reinterpret_cast<std::uint32_t*>(memory.data())};
  EXPECT_TRUE(SampleCuda({}, args).ok());
  args.vocab_size = (1 << 19) + 1;
  EXPECT_EQ(SampleCuda({}, args).error, DeviceError::kInvalidArgument);
  args.vocab_size = 10;
  args.logits_stride = 10;
  EXPECT_EQ(SampleCuda({}, args).error, DeviceError::kInvalidArgument);
}

}  // namespace
}  // namespace sextant
