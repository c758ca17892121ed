#include "kernels/sampling/sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>
#include <vector>

namespace sextant {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

using Ids = std::vector<std::int32_t>;

std::vector<float> RandomLogits(std::int64_t count, float spread, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, spread);
  std::vector<float> logits(static_cast<std::size_t>(count));
  for (float& logit : logits) logit = normal(random);
  return logits;
}

class SampleTest : public ::testing::TestWithParam<Backend> {
 protected:
  struct Request {
    SamplingParams params;
    Ids prompt = {};
    Ids output = {};
    Ids banned = {};
    std::uint64_t position = 0;
  };

  absl::StatusOr<SampledToken> TrySample(const Request& request, const std::vector<float>& logits,
                                         Backend backend) {
    Stream stream(backend, pool_);
    const SampleRow row = {.params = &request.params,
                           .prompt = request.prompt,
                           .output = request.output,
                           .position = request.position};
    absl::StatusOr<SampledToken> result = absl::UnknownError("not set");
    const absl::Status status =
        Sample(stream, {.logits = {logits.data(), 1, static_cast<std::int64_t>(logits.size())},
                        .rows = {&row, 1},
                        .banned_ids = request.banned,
                        .results = {&result, 1}});
    EXPECT_TRUE(status.ok()) << status;
    return result;
  }
  SampledToken SampleOne(const Request& request, const std::vector<float>& logits) {
    const absl::StatusOr<SampledToken> result = TrySample(request, logits, GetParam());
    EXPECT_TRUE(result.ok()) << result.status();
    return result.value_or(SampledToken{});
  }
  std::int32_t Greedy(Request request, const std::vector<float>& logits) {
    request.params.temperature = 0.0F;
    return SampleOne(request, logits).id;
  }
  // How often each id was drawn, over positions 0..draws-1.
  std::vector<int> Count(const SamplingParams& params, const std::vector<float>& logits, int draws,
                         const Ids& banned = {}) {
    constexpr int kRows = 100;
    Stream stream(GetParam(), pool_);
    std::vector<float> batch;
    for (int r = 0; r < kRows; ++r) batch.insert(batch.end(), logits.begin(), logits.end());
    std::vector<int> counts(logits.size(), 0);
    for (int begin = 0; begin < draws; begin += kRows) {
      std::vector<SampleRow> rows(kRows, SampleRow{.params = &params});
      std::vector<absl::StatusOr<SampledToken>> results(kRows, SampledToken{});
      for (int r = 0; r < kRows; ++r) {
        rows[static_cast<std::size_t>(r)].position = static_cast<std::uint64_t>(begin + r);
      }
      const MatrixView<const float> view(batch.data(), kRows,
                                         static_cast<std::int64_t>(logits.size()));
      EXPECT_TRUE(Sample(stream, {.logits = view,
                                  .rows = rows,
                                  .banned_ids = banned,
                                  .results = absl::MakeSpan(results)})
                      .ok());
      for (const auto& result : results) ++counts[static_cast<std::size_t>(result->id)];
    }
    return counts;
  }
  Ids Drawn(const SamplingParams& params, const std::vector<float>& logits, int draws) {
    const std::vector<int> counts = Count(params, logits, draws);
    Ids drawn;
    for (std::size_t id = 0; id < counts.size(); ++id) {
      if (counts[id] > 0) drawn.push_back(static_cast<std::int32_t>(id));
    }
    return drawn;
  }

  ThreadPool pool_{2};
};

TEST_P(SampleTest, GreedyTakesTheHeaviestAndTheLowerOfEquals) {
  for (const std::int64_t vocab : {1, 2, 63, 64, 65, 511, 512, 513, 1025, 102400}) {
    std::vector<float> logits = RandomLogits(vocab, 1.0F, 1);
    for (const std::int64_t id : {vocab - 1, vocab / 2, std::int64_t{0}}) {
      logits[static_cast<std::size_t>(id)] = 50.0F;
      EXPECT_EQ(Greedy({}, logits), id) << vocab << " ids";
    }
  }
}

TEST_P(SampleTest, BannedIdsAreNeverSampledHoweverHeavy) {
  std::vector<float> logits = RandomLogits(300, 1.0F, 2);
  logits[0] = logits[100] = logits[299] = 90.0F;
  logits[7] = 20.0F;
  Request request{.params = {}, .banned = {0, 100, 299}};
  request.params.logit_bias = {{100, 100.0F}};
  EXPECT_EQ(Greedy(request, logits), 7);
  const std::vector<int> counts = Count({.temperature = 100.0F}, logits, 3000, request.banned);
  EXPECT_EQ(counts[0] + counts[100] + counts[299], 0);
  request.banned.resize(300);
  std::iota(request.banned.begin(), request.banned.end(), 0);
  EXPECT_EQ(TrySample(request, logits, GetParam()).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_P(SampleTest, ALogitThatIsNotFiniteFailsItsOwnRowOnly) {
  const std::int64_t vocab = 130;
  for (const float bad : {kNaN, kInf, -kInf}) {
    for (const std::size_t place : {std::size_t{0}, std::size_t{64}, std::size_t{129}}) {
      std::vector<float> logits = RandomLogits(3 * vocab, 1.0F, 3);
      logits[static_cast<std::size_t>(vocab) + place] = bad;
      const SamplingParams params;
      const std::vector<SampleRow> rows(3, SampleRow{.params = &params});
      std::vector<absl::StatusOr<SampledToken>> results(3, absl::UnknownError("not set"));
      Stream stream(GetParam(), pool_);
      ASSERT_TRUE(Sample(stream, {.logits = {logits.data(), 3, vocab},
                                  .rows = rows,
                                  .results = absl::MakeSpan(results)})
                      .ok());
      EXPECT_TRUE(results[0].ok());
      EXPECT_EQ(results[1].status().code(), absl::StatusCode::kInternal);
      EXPECT_TRUE(results[2].ok());
    }
  }
}

TEST_P(SampleTest, LogitsThatOverflowUnderPenaltiesAreAnErrorToo) {
  std::vector<float> logits(64, 0.0F);
  logits[5] = 3e38F;
  Request request{.params = {.repetition_penalty = 0.5F}, .prompt = {5}};
  EXPECT_EQ(TrySample(request, logits, GetParam()).status().code(), absl::StatusCode::kInternal);
}

TEST_P(SampleTest, RepetitionPenaltyDividesPositiveAndMultipliesNegativeLogits) {
  // Token 0 is penalised; token 1 wins once its logit is the larger, and loses ties.
  const auto choose = [&](float first, float second, const Ids& prompt, const Ids& output) {
    return Greedy({.params = {.repetition_penalty = 1.5F}, .prompt = prompt, .output = output},
                  {first, second, -50.0F});
  };
  EXPECT_EQ(choose(3.0F, 2.0F, {0}, {}), 0);
  EXPECT_EQ(choose(3.0F, std::nextafter(2.0F, 3.0F), {0}, {}), 1);
  EXPECT_EQ(choose(3.0F, std::nextafter(2.0F, 3.0F), {}, {0}), 1);
  EXPECT_EQ(choose(3.0F, 2.0F, {0, 0}, {0, 0}), 0) << "however often it occurs, once";
  EXPECT_EQ(choose(-2.0F, -3.0F, {0}, {}), 0);
  EXPECT_EQ(choose(-2.0F, std::nextafter(-3.0F, 0.0F), {0}, {}), 1);
}

TEST_P(SampleTest, FrequencyCountsOutputsAndPresenceDoesNot) {
  const auto choose = [&](float frequency, float presence, float second, const Ids& prompt,
                          const Ids& output) {
    return Greedy({.params = {.presence_penalty = presence, .frequency_penalty = frequency},
                   .prompt = prompt,
                   .output = output},
                  {4.0F, second, -50.0F});
  };
  const float above = std::nextafter(2.5F, 3.0F);
  EXPECT_EQ(choose(0.5F, 0.0F, 2.5F, {}, {0, 2, 0, 0}), 0);
  EXPECT_EQ(choose(0.5F, 0.0F, above, {}, {0, 2, 0, 0}), 1);
  EXPECT_EQ(choose(0.0F, 1.5F, 2.5F, {}, {0, 2, 0, 0}), 0);
  EXPECT_EQ(choose(0.0F, 1.5F, above, {}, {0, 2, 0, 0}), 1);
  EXPECT_EQ(choose(0.5F, 1.5F, 3.9F, {0, 0}, {2}), 0) << "the prompt does not count";
}

TEST_P(SampleTest, BiasIsAddedBeforeThePenalties) {
  // (1 + 3) / 2 = 2, while 1 / 2 + 3 would be 3.5.
  Request request{.params = {.repetition_penalty = 2.0F, .logit_bias = {{0, 3.0F}}}, .prompt = {0}};
  EXPECT_EQ(Greedy(request, {1.0F, 2.0F}), 0);
  EXPECT_EQ(Greedy(request, {1.0F, 2.1F}), 1);
}

TEST_P(SampleTest, TopKKeepsTheHeaviestAndTheLowerOfEquals) {
  std::vector<float> logits(200, 0.0F);
  logits[150] = 1.0F;
  EXPECT_THAT(Drawn({.top_k = 4}, logits, 1000), ElementsAre(0, 1, 2, 150));
  EXPECT_THAT(Drawn({.top_k = 1}, logits, 200), ElementsAre(150));
  EXPECT_EQ(Drawn({.temperature = 100.0F, .top_k = 1000}, logits, 5000).size(), 200U);
}

TEST_P(SampleTest, TopPKeepsTheFewestThatReachTheShare) {
  // Shares 1/2, 1/4, 1/8 ... in shuffled places.
  std::vector<float> logits(40, -80.0F);
  const Ids places = {17, 3, 33, 8, 25};
  for (std::size_t i = 0; i < places.size(); ++i) {
    logits[static_cast<std::size_t>(places[i])] = -static_cast<float>(i) * std::log(2.0F);
  }
  const double total = 2.0 - 0x1p-4;  // in units of the heaviest
  const auto share = [&](double sum) { return static_cast<float>(sum / total); };
  EXPECT_THAT(Drawn({.top_p = share(0.9)}, logits, 300), ElementsAre(17));
  EXPECT_THAT(Drawn({.top_p = share(1.1)}, logits, 300), ElementsAre(3, 17));
  EXPECT_THAT(Drawn({.top_p = share(1.4)}, logits, 300), ElementsAre(3, 17));
  EXPECT_THAT(Drawn({.top_p = share(1.6)}, logits, 1000), ElementsAre(3, 17, 33));
}

TEST_P(SampleTest, TopPIsAShareOfWhatTopKLeft) {
  // Four equal tokens: half of all is two of them, half of what top_k = 2 leaves is one.
  std::vector<float> logits(64, -90.0F);
  logits[4] = logits[9] = logits[20] = logits[50] = 0.0F;
  EXPECT_THAT(Drawn({.top_p = 0.49F}, logits, 300), ElementsAre(4, 9));
  EXPECT_THAT(Drawn({.top_k = 2, .top_p = 0.49F}, logits, 300), ElementsAre(4));
}

TEST_P(SampleTest, EqualLogitsOverTheWholeVocabularyAreCutById) {
  const std::vector<float> logits(4000, 0.25F);
  const Ids drawn = Drawn({.top_p = 0.125F}, logits, 8000);
  EXPECT_EQ(drawn.size(), 500U);
  EXPECT_EQ(drawn.back(), 499);
}

TEST_P(SampleTest, MinPIsAShareOfTheHeaviestAfterTemperature) {
  std::vector<float> logits(64, -90.0F);
  logits[10] = 1.0F;
  logits[20] = 1.0F + std::log(0.21F);
  logits[30] = 1.0F + std::log(0.19F);
  EXPECT_THAT(Drawn({.min_p = 0.2F}, logits, 500), ElementsAre(10, 20));
  // At temperature 2 the shares are their square roots.
  EXPECT_THAT(Drawn({.temperature = 2.0F, .min_p = 0.2F}, logits, 500), ElementsAre(10, 20, 30));
  EXPECT_THAT(Drawn({.min_p = 1.0F}, logits, 200), ElementsAre(10));
}

TEST_P(SampleTest, DrawsFollowTheDistribution) {
  constexpr int kDraws = 40000;
  const std::vector<float> logits = RandomLogits(50, 1.0F, 4);
  for (const float temperature : {0.5F, 1.0F, 3.0F}) {
    const std::vector<int> counts =
        Count({.temperature = temperature, .seed = 1234}, logits, kDraws);
    double total = 0.0;
    for (const float logit : logits) total += std::exp(logit / temperature);
    double chi_square = 0.0;
    double rare_expected = 0.0;
    double rare_count = 0.0;
    int cells = 0;
    for (std::size_t id = 0; id < logits.size(); ++id) {
      const double expected = kDraws * std::exp(logits[id] / temperature) / total;
      if (expected < 10) {  // pooled: the statistic needs a few in each cell
        rare_expected += expected;
        rare_count += counts[id];
        continue;
      }
      chi_square += std::pow(counts[id] - expected, 2) / expected;
      ++cells;
    }
    if (rare_expected > 0) {
      chi_square += std::pow(rare_count - rare_expected, 2) / std::max(rare_expected, 1.0);
    }
    EXPECT_GT(cells, 20);
    EXPECT_LT(chi_square, 112.0) << "50 degrees of freedom: exceeded once in a million";
  }
}

TEST_P(SampleTest, LogprobsAreOfTheRawLogitsOverTheIdsWithAToken) {
  std::vector<float> logits = RandomLogits(1000, 3.0F, 5);
  logits[999] = 30.0F;  // banned
  logits[20] = logits[600] = 12.0F;
  Request request{.params = {.temperature = 0.0F,
                             .repetition_penalty = 1.9F,
                             .logit_bias = {{20, -100.0F}, {600, -100.0F}},
                             .logprobs = 5},
                  .banned = {999}};
  const SampledToken token = SampleOne(request, logits);
  double total = 0.0;
  for (std::size_t id = 0; id < 999; ++id) total += std::exp(static_cast<double>(logits[id]));
  const auto want = [&](std::int32_t id) {
    return static_cast<double>(logits[static_cast<std::size_t>(id)]) - std::log(total);
  };
  ASSERT_EQ(token.heaviest.size(), 5U);
  EXPECT_EQ(token.heaviest[0].id, 20);
  EXPECT_EQ(token.heaviest[1].id, 600);
  EXPECT_EQ(token.id, token.heaviest[2].id) << "the bias forbids the two heaviest";
  for (const TokenLogprob& entry : token.heaviest) {
    // 512 additions and the exponentials of a block, relative to a sum: absolute in its logarithm.
    EXPECT_NEAR(entry.logprob, want(entry.id), 600 * 0x1p-24 + std::abs(want(entry.id)) * 0x1p-23);
  }
  EXPECT_EQ(token.logprob, token.heaviest[2].logprob);
  EXPECT_TRUE(SampleOne({}, logits).heaviest.empty());
}

TEST_P(SampleTest, AsksForNoMoreLogprobsThanThereAreTokens) {
  Request request{.params = {.logprobs = 20}, .banned = {1}};
  EXPECT_EQ(SampleOne(request, {1.0F, 2.0F, 3.0F}).heaviest.size(), 2U);
}

TEST_P(SampleTest, AgreesWithTheReference) {
  // Two backends may differ where u falls within 1e-6 of an edge; these seeds hold no such case.
  std::mt19937 random(6);
  const auto uniform = [&](float low, float high) {
    return std::uniform_real_distribution<float>(low, high)(random);
  };
  const auto sometimes = [&](float value, float otherwise) {
    return random() % 2 == 0 ? value : otherwise;
  };
  for (int round = 0; round < 600; ++round) {
    const auto vocab = static_cast<std::int64_t>(1 + random() % 3000);
    std::vector<float> logits =
        RandomLogits(vocab, uniform(0.05F, 6.0F), static_cast<unsigned>(random()));
    if (round % 3 == 0) {
      for (float& logit : logits) logit = std::round(logit * 2) / 2;  // many ties
    }
    Request request;
    request.params = {.temperature = sometimes(uniform(0.05F, 3.0F), 1.0F),
                      .top_k = static_cast<std::int32_t>(sometimes(uniform(1, 400), 0)),
                      .top_p = sometimes(uniform(0.05F, 0.999F), 1.0F),
                      .min_p = sometimes(uniform(0.0F, 0.3F), 0.0F),
                      .repetition_penalty = sometimes(uniform(0.5F, 2.0F), 1.0F),
                      .presence_penalty = sometimes(uniform(-2.0F, 2.0F), 0.0F),
                      .frequency_penalty = sometimes(uniform(-2.0F, 2.0F), 0.0F),
                      .logprobs = 3,
                      .seed = random()};
    request.position = random();
    const auto any_id = [&] {
      return static_cast<std::int32_t>(random() % static_cast<unsigned>(vocab));
    };
    request.params.logit_bias = {{any_id(), uniform(-5.0F, 5.0F)}};
    for (int i = 0; i < 40; ++i) request.prompt.push_back(any_id());
    for (int i = 0; i < 40; ++i) request.output.push_back(any_id());
    std::set<std::int32_t> banned;
    for (int i = 0; i < 10; ++i) banned.insert(any_id());
    if (static_cast<std::int64_t>(banned.size()) < vocab) {
      request.banned.assign(banned.begin(), banned.end());
    }
    const auto want = TrySample(request, logits, Backend::kReference);
    const auto got = TrySample(request, logits, GetParam());
    ASSERT_TRUE(want.ok() && got.ok()) << want.status() << got.status();
    ASSERT_EQ(got->id, want->id) << "round " << round << ", " << vocab << " ids";
    ASSERT_EQ(got->heaviest.size(), want->heaviest.size());
    for (std::size_t i = 0; i < want->heaviest.size(); ++i) {
      ASSERT_EQ(got->heaviest[i].id, want->heaviest[i].id);
    }
  }
}

TEST_P(SampleTest, ARowsResultDependsOnNeitherBatchNorThreads) {
  constexpr std::int64_t kVocab = 2100;
  constexpr std::size_t kRows = 33;
  const std::vector<float> logits = RandomLogits(kVocab * 33, 2.0F, 8);
  std::vector<SamplingParams> params(kRows);
  std::vector<SampleRow> rows(kRows);
  for (std::size_t r = 0; r < kRows; ++r) {
    params[r] = {.temperature = 0.1F * static_cast<float>(r),
                 .top_k = static_cast<std::int32_t>(r * 7 % 50),
                 .top_p = r % 2 == 0 ? 0.9F : 1.0F,
                 .logprobs = 2,
                 .seed = r};
    rows[r] = {.params = &params[r], .position = 1000 + r};
  }
  std::vector<SampledToken> alone;
  for (std::size_t r = 0; r < kRows; ++r) {
    Request request{.params = params[r], .position = rows[r].position};
    const float* row = logits.data() + static_cast<std::int64_t>(r) * kVocab;
    alone.push_back(SampleOne(request, {row, row + kVocab}));
  }
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    Stream stream(GetParam(), pool);
    std::vector<absl::StatusOr<SampledToken>> results(kRows, SampledToken{});
    ASSERT_TRUE(Sample(stream, {.logits = {logits.data(), kRows, kVocab},
                                .rows = rows,
                                .results = absl::MakeSpan(results)})
                    .ok());
    for (std::size_t r = 0; r < kRows; ++r) {
      EXPECT_EQ(results[r]->id, alone[r].id);
      EXPECT_EQ(results[r]->logprob, alone[r].logprob);
      EXPECT_EQ(results[r]->heaviest[1].logprob, alone[r].heaviest[1].logprob);
    }
  }
}

TEST_P(SampleTest, ABadRowIsItsOwnErrorAndBadShapesAreEverybodys) {
  Request request{.params = {.top_p = 2.0F}};
  const std::vector<float> logits(10, 0.0F);
  EXPECT_EQ(TrySample(request, logits, GetParam()).status().code(),
            absl::StatusCode::kInvalidArgument);
  request = {.params = {.repetition_penalty = 1.1F}, .prompt = {10}};
  EXPECT_EQ(TrySample(request, logits, GetParam()).status().code(),
            absl::StatusCode::kInvalidArgument);

  Stream stream(GetParam(), pool_);
  const SamplingParams params;
  const SampleRow row = {.params = &params};
  absl::StatusOr<SampledToken> result = absl::UnknownError("not set");
  SampleArgs args = {.logits = {logits.data(), 1, 10}, .rows = {&row, 1}, .results = {&result, 1}};
  for (const Ids& banned : {Ids{3, 3}, Ids{5, 4}, Ids{10}, Ids{-1}}) {
    args.banned_ids = banned;
    EXPECT_EQ(Sample(stream, args).code(), absl::StatusCode::kInvalidArgument);
  }
  args.banned_ids = {};
  args.rows = {};
  EXPECT_EQ(Sample(stream, args).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnknown);
}

INSTANTIATE_TEST_SUITE_P(Backends, SampleTest, testing::ValuesIn(SupportedBackends()),
                         [](const auto& backend) {
                           std::string name = Name(backend.param);
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace sextant
