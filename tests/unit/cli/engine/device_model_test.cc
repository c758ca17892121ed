// The whole model on a GPU, or on the emulator: every kernel, the graphs, the sampler and the
// memory's plan together.
#include "cli/engine/device_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "attention_worker/engine/engine.h"
#include "tests/golden/golden_model.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/test_gpu.h"
#include "tests/support/fed_sequence.h"

namespace sextant::cli {
namespace {

using testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

// One with V2-Lite's widths of a head, the only ones that the kernels have.
constexpr char kModel[] = "lite";

class DeviceModelTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    golden_ = *ReadGoldenModel(GoldenModelFolder(kModel));
    config_ = *ReadModelConfig(golden_.folder);
    checkpoint_ = std::make_unique<Checkpoint>(*Checkpoint::Open(golden_.folder));
  }

  [[nodiscard]] absl::StatusOr<std::unique_ptr<DeviceModel>> TryOpen(
      const DeviceModel::Options& options) {
    return DeviceModel::Open(OpenTestGpu(), config_, checkpoint_.get(), options);
  }
  [[nodiscard]] std::unique_ptr<DeviceModel> Open(std::int64_t cache_tokens = 1024) {
    auto model =
        TryOpen({.cache_tokens = cache_tokens, .max_batch_tokens = 64, .max_sequences = 64});
    EXPECT_TRUE(model.ok()) << model.status();
    return model.ok() ? *std::move(model) : nullptr;
  }
  static FedModel Fed(DeviceModel& model) { return {model.step_model(), model.cache()}; }

  GoldenModel golden_;
  ModelConfig config_;
  std::unique_ptr<Checkpoint> checkpoint_;
};

double LargestDifference(const std::vector<float>& logits,
                         const std::vector<std::vector<float>>& wanted) {
  double largest = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const std::size_t vocab = wanted[0].size();
    const double difference = std::abs(static_cast<double>(logits[i]) -
                                       static_cast<double>(wanted[i / vocab][i % vocab]));
    if (!(difference <= largest)) largest = difference;  // also when it is no number
  }
  return largest;
}

// As tight as the CPU's bf16 (golden_logits_test.cc).
TEST_F(DeviceModelTest, LogitsAreThoseOfThePublishedCode) {
  const auto model = Open();
  ASSERT_NE(model, nullptr);
  for (const std::int64_t prompt : {40, 17}) {
    const std::vector<float> logits = FeedAlone(Fed(*model), golden_.ids, prompt, 64, 1);
    ASSERT_EQ(logits.size(), 40 * golden_.logits_fp32[0].size());
    EXPECT_LE(LargestDifference(logits, golden_.logits_fp32), 2 * golden_.bf16_distance);
    const auto vocab = static_cast<std::ptrdiff_t>(golden_.logits_fp32[0].size());
    int equal = 0;
    for (std::ptrdiff_t t = 0; t < 40; ++t) {
      const auto row = logits.begin() + t * vocab;
      const auto chosen = std::max_element(row, row + vocab) - row;
      equal += chosen == golden_.argmax_bf16[static_cast<std::size_t>(t)] ? 1 : 0;
    }
    EXPECT_GE(equal, 38);
  }
}

// What the gate chose, position by position.
class RoutingRecord final : public RoutingObserver {
 public:
  void OnRouting(int layer, MatrixView<const std::int32_t> expert_ids,
                 MatrixView<const float> /*weights*/) override {
    for (std::int64_t t = 0; t < expert_ids.rows; ++t) {
      layers[layer].emplace_back(expert_ids.Row(t), expert_ids.Row(t) + expert_ids.cols);
    }
  }
  std::map<std::int64_t, std::vector<Ids>> layers;
};

TEST_F(DeviceModelTest, AnObserverSeesTheRoutingAndChangesNothing) {
  const auto model = Open();
  ASSERT_NE(model, nullptr);
  const std::vector<float> unseen = FeedAlone(Fed(*model), golden_.ids, 30, 64, 1);
  EXPECT_EQ(model->graph_steps(), 10);
  RoutingRecord record;
  model->set_routing_observer(&record);
  const std::vector<float> seen = FeedAlone(Fed(*model), golden_.ids, 30, 64, 1);
  EXPECT_EQ(model->graph_steps(), 10);  // observed steps run kernel by kernel
  EXPECT_TRUE(SameBytes(seen, unseen));
  ASSERT_EQ(record.layers.size(), golden_.routing.size());
  for (const GoldenRouting& wanted : golden_.routing) {
    const std::vector<Ids>& found = record.layers[wanted.layer];
    ASSERT_EQ(found.size(), wanted.expert_ids.size());
    int equal = 0;
    for (std::size_t t = 0; t < found.size(); ++t) {
      equal += std::is_permutation(found[t].begin(), found[t].end(), wanted.expert_ids[t].begin(),
                                   wanted.expert_ids[t].end());
    }
    EXPECT_GE(equal, 36) << "layer " << wanted.layer;  // of 40: bf16 breaks near-ties otherwise
  }
}

TEST_F(DeviceModelTest, ABatchGivesEachWhatItGetsAlone) {
  const std::vector<FedText> texts = UnlikeTexts(6, 16, 254);
  const auto model = Open(2048);
  ASSERT_NE(model, nullptr);
  const auto together = FeedTogether(Fed(*model), texts, 3);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_TRUE(
        SameBytes(together[i], FeedAlone(Fed(*model), texts[i].ids, texts[i].prompt, 64, 1)))
        << "sequence " << i << " of " << texts[i].ids.size() << ", prompt " << texts[i].prompt;
  }
}

TEST_F(DeviceModelTest, AnyChunkingAndReplayGivesTheSameBytes) {
  const auto model = Open();
  ASSERT_NE(model, nullptr);
  const Ids ids = RandomIds(24, 5, 254);
  const std::vector<float> whole = FeedAlone(Fed(*model), ids, 15, 64, 1);
  for (const auto& [chunk, rows] : {std::pair(7, 4), std::pair(16, 64)}) {
    EXPECT_TRUE(SameBytes(FeedAlone(Fed(*model), ids, 15, chunk, rows), whole))
        << "chunks of " << chunk << ", " << rows << " generated ones at once";
  }
}

TEST_F(DeviceModelTest, OnlyTheWantedLogitsWithTheSameBytes) {
  const auto model = Open();
  ASSERT_NE(model, nullptr);
  const Ids ids = RandomIds(20, 6, 254);
  const std::vector<float> all = FeedAlone(Fed(*model), ids, 20, 64, 1);
  const std::size_t vocab = all.size() / 20;
  for (const std::int64_t wanted : {1, 3}) {
    FedSequence sequence(Fed(*model), ids, 20);
    SequenceSlice first = sequence.Next(12);
    first.num_logits = 0;
    ASSERT_TRUE(model->step_model().Forward({first}).ok());
    SequenceSlice last = sequence.Next(8);
    last.num_logits = wanted;
    const auto logits = ForwardLogits(model->step_model(), {last});
    ASSERT_TRUE(logits.ok()) << logits.status();
    ASSERT_EQ(logits->rows, wanted);
    for (std::int64_t row = 0; row < wanted; ++row) {
      const auto from = all.begin() + static_cast<std::ptrdiff_t>(vocab) * (20 - wanted + row);
      EXPECT_TRUE(std::equal(from, from + static_cast<std::ptrdiff_t>(vocab), logits->Row(row)));
    }
  }
}

TEST_F(DeviceModelTest, AForkCopiesTheBlockThatItWrites) {
  const auto model = Open();
  ASSERT_NE(model, nullptr);
  const Ids ids = RandomIds(30, 7, 254);
  Ids other = ids;
  for (std::size_t i = 20; i < other.size(); ++i) other[i] = (other[i] + 1) % 254;
  const std::vector<float> alone = FeedAlone(Fed(*model), other, 30, 64, 1);
  FedSequence first(Fed(*model), ids, 30);
  ASSERT_TRUE(model->step_model().Forward({first.Next(20)}).ok());
  SequenceBlocks fork = first.blocks().Fork(20);
  ASSERT_TRUE(model->step_model().Forward({first.Next(10)}).ok());  // writes what both share
  ASSERT_TRUE(fork.PrepareWrite(20, 30).ok());
  const auto logits =
      ForwardLogits(model->step_model(), {{.token_ids = absl::MakeConstSpan(other).subspan(20),
                                           .start = 20,
                                           .blocks = &fork,
                                           .num_logits = 10}});
  ASSERT_TRUE(logits.ok()) << logits.status();
  const auto vocab = static_cast<std::size_t>(logits->cols);
  for (std::size_t row = 0; row < 10; ++row) {
    const float* from = alone.data() + (20 + row) * vocab;
    EXPECT_TRUE(std::equal(from, from + vocab, logits->Row(static_cast<std::int64_t>(row))));
  }
}

GenerationRequest Request(Ids prompt, std::uint64_t seed, std::int64_t max_tokens = 4) {
  return {.prompt_ids = std::move(prompt),
          .sampling = {.temperature = 0.9F, .seed = seed},
          .max_tokens = max_tokens,
          .stop_ids = {}};
}

std::map<std::int64_t, Ids> RunAll(Engine& engine) {
  std::map<std::int64_t, Ids> tokens;
  while (!engine.idle()) {
    const auto events = engine.Step();
    EXPECT_TRUE(events.ok()) << events.status();
    if (!events.ok()) return tokens;
    for (const TokenEvent& event : *events) {
      EXPECT_TRUE(event.token.ok()) << event.token.status();
      if (event.token.ok()) tokens[event.sequence].push_back(event.token->id);
    }
  }
  return tokens;
}

TEST_F(DeviceModelTest, AnEngineGivesEachRequestWhatItGetsAlone) {
  const auto model = Open();
  ASSERT_NE(model, nullptr);
  const auto make_engine = [&] {
    return Engine(model->step_model(), model->cache(),
                  {.max_batch_tokens = 20,
                   .max_sequences = 4,
                   .max_context = config_.max_position_embeddings,
                   .vocab_size = config_.vocab_size,
                   .banned_ids = {254, 255},
                   .prefix_cache = true});
  };
  std::vector<GenerationRequest> requests;
  for (std::uint32_t i = 0; i < 6; ++i) {
    requests.push_back(Request(RandomIds(5 + 3 * i, i, 254), 40 + i));
  }
  requests[1].sampling.repetition_penalty = 1.5F;
  requests[2].sampling.frequency_penalty = 1.0F;
  requests[3].sampling.logit_bias = {{17, 100.0F}};
  requests[4].sampling.logprobs = 3;
  requests[5].sampling.temperature = 0.0F;
  std::vector<Ids> alone;
  for (const GenerationRequest& request : requests) {
    Engine engine = make_engine();
    ASSERT_TRUE(engine.Submit(request).ok());
    alone.push_back(RunAll(engine)[0]);
  }
  EXPECT_EQ(alone[3], Ids(4, 17));
  Engine engine = make_engine();
  for (const GenerationRequest& request : requests) ASSERT_TRUE(engine.Submit(request).ok());
  const std::map<std::int64_t, Ids> together = RunAll(engine);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    ASSERT_TRUE(together.contains(static_cast<std::int64_t>(i)));
    EXPECT_EQ(together.at(static_cast<std::int64_t>(i)), alone[i]) << "request " << i;
  }
  EXPECT_GT(model->graph_steps(), 0);
}

// The tokens of a request, each one chosen before the step after it is given to the model.
Ids StepByStep(DeviceModel& model, const GenerationRequest& request) {
  SequenceBlocks blocks(model.cache());
  const auto prompt = static_cast<std::int64_t>(request.prompt_ids.size());
  Ids tokens;
  for (std::int64_t i = 0; i < request.max_tokens; ++i) {
    const std::int64_t start = i == 0 ? 0 : prompt + i - 1;
    EXPECT_TRUE(blocks.PrepareWrite(start, prompt + i).ok());
    const SequenceSlice slice{
        .token_ids = i == 0 ? request.prompt_ids : absl::MakeConstSpan(&tokens.back(), 1),
        .start = start,
        .generated = i > 0,
        .blocks = &blocks,
        .num_logits = 1};
    EXPECT_TRUE(model.step_model().Forward({slice}).ok());
    const SampleRow row{.params = &request.sampling,
                        .position = static_cast<std::uint64_t>(prompt + i)};
    absl::StatusOr<SampledToken> token;
    EXPECT_TRUE(
        model.step_model().Sample({.rows = {&row, 1}, .results = absl::MakeSpan(&token, 1)}).ok());
    EXPECT_TRUE(token.ok()) << token.status();
    tokens.push_back(token.ok() ? token->id : 0);
  }
  return tokens;
}

TEST_F(DeviceModelTest, LookingAheadGivesTheSameTokens) {
  const auto model = Open();
  ASSERT_NE(model, nullptr);
  std::vector<GenerationRequest> requests;
  for (std::uint32_t i = 0; i < 3; ++i) requests.push_back(Request(RandomIds(4 + i, i, 254), i, 5));
  std::map<std::int64_t, Ids> ahead;
  {
    Engine engine(model->step_model(), model->cache(),
                  {.max_batch_tokens = 64,
                   .max_sequences = 4,
                   .max_context = config_.max_position_embeddings,
                   .vocab_size = config_.vocab_size,
                   .banned_ids = {},
                   .prefix_cache = false});
    for (const GenerationRequest& request : requests) ASSERT_TRUE(engine.Submit(request).ok());
    ahead = RunAll(engine);
  }
  EXPECT_EQ(model->graph_steps(), 4);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(ahead.at(static_cast<std::int64_t>(i)), StepByStep(*model, requests[i]));
  }
}

TEST_F(DeviceModelTest, ARowsOwnFaultIsItsResult) {
  const auto model = Open();
  ASSERT_NE(model, nullptr);
  FedSequence one(Fed(*model), {1, 2, 3}, 3);
  ASSERT_TRUE(model->step_model().Forward({one.Next(3)}).ok());
  const SamplingParams fine{.temperature = 0.0F};
  const SamplingParams wrong{.top_p = 2.0F};
  const std::vector<SampleRow> rows = {
      {.params = &fine}, {.params = &wrong}, {.params = &fine, .output = {}, .position = 3}};
  std::vector<absl::StatusOr<SampledToken>> results(3);
  ASSERT_TRUE(model->step_model().Sample({.rows = rows, .results = absl::MakeSpan(results)}).ok());
  EXPECT_TRUE(results[0].ok()) << results[0].status();
  EXPECT_THAT(std::string(results[1].status().message()), HasSubstr("top_p"));
  EXPECT_TRUE(results[2].ok()) << results[2].status();

  Ids all(static_cast<std::size_t>(config_.vocab_size));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int32_t>(i);
  const auto banned = absl::MakeConstSpan(rows).first(1);
  ASSERT_TRUE(
      model->step_model()
          .Sample({.rows = banned, .banned_ids = all, .results = absl::MakeSpan(results).first(1)})
          .ok());
  EXPECT_EQ(results[0].status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DeviceModelTest, AClockTimesEveryKernelOfAStep) {
  const auto model = Open();
  ASSERT_NE(model, nullptr);
  FedSequence sequence(Fed(*model), golden_.ids, 30);
  ASSERT_TRUE(model->step_model().Forward({sequence.Next(30)}).ok());
  const auto times = model->TimeKernels({.context = 31, .experts = 6}, [&] {
    return model->step_model().Forward({sequence.Next(1)});
  });
  ASSERT_TRUE(times.ok()) << times.status();
  std::map<std::string, std::int64_t> calls;
  for (const KernelTime& time : *times) {
    calls[time.name] = time.calls;
    EXPECT_GT(time.seconds, 0) << time.name;
    EXPECT_GT(time.cost.bytes, 0) << time.name;
  }
  const std::int64_t layers = config_.num_hidden_layers;
  EXPECT_EQ(calls["decode attention"], layers);
  EXPECT_EQ(calls["absorb, unabsorb"], 2 * layers);
  EXPECT_EQ(calls["norm"], 2 * layers + 1);
  EXPECT_EQ(calls["gate"], layers - config_.first_k_dense_replace);
  EXPECT_EQ(calls["prefill attention"], 0);
  EXPECT_EQ(model->graph_steps(), 0);
  // Without the clock as before.
  ASSERT_TRUE(model->step_model().Forward({sequence.Next(1)}).ok());
  EXPECT_EQ(model->graph_steps(), 1);
}

TEST_F(DeviceModelTest, RandomWeightsGiveFiniteLogits) {
  checkpoint_ = nullptr;
  const auto model = Open();
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->upload().bytes, 0);
  const std::vector<float> logits = FeedAlone(Fed(*model), RandomIds(12, 1, 254), 10, 64, 1);
  EXPECT_TRUE(
      std::all_of(logits.begin(), logits.end(), [](float value) { return std::isfinite(value); }));
}

TEST_F(DeviceModelTest, TheCacheIsAllThatIsLeftOrWhatIsAskedFor) {
  const auto asked = TryOpen({.cache_tokens = 640});
  ASSERT_TRUE(asked.ok()) << asked.status();
  EXPECT_EQ((*asked)->plan().cached_tokens, 640);
  EXPECT_THAT((*asked)->MemoryTable(),
              testing::AllOf(HasSubstr("routed experts"), HasSubstr("  640 tokens\n"),
                             HasSubstr("weights came in")));
  const auto all = TryOpen({.memory_bytes = std::int64_t{1} << 30});
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_GT((*all)->plan().cached_tokens, 640);
  EXPECT_LE((*all)->plan().TotalBytes(), std::int64_t{1} << 30);
}

TEST_F(DeviceModelTest, SaysWhatItLacks) {
  const auto small = TryOpen({.memory_bytes = std::int64_t{1} << 20});
  EXPECT_EQ(small.status().code(), absl::StatusCode::kResourceExhausted);
  const auto greedy = TryOpen({.memory_bytes = std::int64_t{1} << 50});
  EXPECT_EQ(greedy.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(greedy.status().message()), HasSubstr("are free"));
  config_ = *ReadModelConfig(GoldenModelFolder("plain"));
  const auto other = TryOpen({});
  EXPECT_EQ(other.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(other.status().message()), HasSubstr("kv_lora_rank"));
}

}  // namespace
}  // namespace sextant::cli
