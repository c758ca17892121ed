#include "attention_worker/engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/device/backend.h"
#include "tests/golden/golden_model.h"
#include "tests/support/loaded_model.h"
#include "tests/support/message_of.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Ids = std::vector<std::int32_t>;

struct Output {
  Ids ids;
  std::optional<FinishReason> finish;
};

class EngineTest : public testing::Test {
 protected:
  static constexpr std::int64_t kBlockTokens = 4;

  void SetUp() override { Load(64); }

  void Load(std::int32_t num_blocks, int threads = 2) {
    model_ = LoadedModel::Open(GoldenModelFolder("plain"), {.backend = SupportedBackends().back(),
                                                            .threads = threads,
                                                            .block_tokens = kBlockTokens,
                                                            .num_blocks = num_blocks});
    ASSERT_NE(model_, nullptr);
  }

  [[nodiscard]] Engine MakeEngine(std::int64_t max_batch_tokens = 512,
                                  std::int64_t max_sequences = 64, Ids banned = {}) const {
    return Engine(model_->transformer(), model_->cache(),
                  {.max_batch_tokens = max_batch_tokens,
                   .max_sequences = max_sequences,
                   .max_context = 100,
                   .vocab_size = model_->config().vocab_size,
                   .banned_ids = std::move(banned)});
  }

  [[nodiscard]] std::int32_t free_blocks() const { return model_->cache().pool().num_free(); }

  std::unique_ptr<LoadedModel> model_;
};

GenerationRequest Request(Ids prompt, std::int64_t max_tokens, std::uint64_t seed = 1,
                          float temperature = 1.0F) {
  return {.prompt_ids = std::move(prompt),
          .sampling = {.temperature = temperature, .seed = seed},
          .max_tokens = max_tokens,
          .stop_ids = {}};
}

// One step's tokens.
std::vector<TokenEvent> Step(Engine& engine) {
  auto events = engine.Step();
  EXPECT_TRUE(events.ok()) << events.status();
  return events.ok() ? *std::move(events) : std::vector<TokenEvent>();
}

void Collect(const std::vector<TokenEvent>& events, std::map<std::int64_t, Output>& outputs) {
  for (const TokenEvent& event : events) {
    ASSERT_TRUE(event.token.ok()) << event.token.status();
    Output& output = outputs[event.sequence];
    EXPECT_FALSE(output.finish.has_value()) << "a token after the last one";
    output.ids.push_back(event.token->id);
    output.finish = event.finish;
  }
}

std::map<std::int64_t, Output> RunAll(Engine& engine) {
  std::map<std::int64_t, Output> outputs;
  for (int steps = 0; !engine.idle() && steps < 10000; ++steps) {
    Collect(Step(engine), outputs);
  }
  return outputs;
}

Ids RunOne(Engine& engine, GenerationRequest request) {
  const auto sequence = engine.Submit(std::move(request));
  EXPECT_TRUE(sequence.ok()) << sequence.status();
  return RunAll(engine)[*sequence].ids;
}

TEST_F(EngineTest, WhatIsWrongWithARequestIsNamedAndNothingIsQueued) {
  Engine engine = MakeEngine();
  GenerationRequest hot = Request({1}, 1);
  hot.sampling.temperature = -1.0F;
  GenerationRequest biased = Request({1}, 1);
  biased.sampling.logit_bias = {{256, 1.0F}};
  const std::vector<std::pair<GenerationRequest, std::string>> cases = {
      {Request({}, 1), "the prompt is empty"},
      {Request({3, -1}, 1), "token id -1 is outside the vocabulary; ids go from 0 to 255"},
      {Request({256}, 1), "token id 256 is outside the vocabulary"},
      {Request({1}, 0), "max_tokens is 0; ask for at least 1"},
      {Request({1}, -5), "max_tokens is -5"},
      {Request(Ids(60, 1), 41), "do not fit the model's context of 100"},
      {Request(Ids(101, 1), 1), "do not fit the model's context of 100"},
      {Request({1}, std::int64_t{1} << 62), "do not fit the model's context of 100"},
      {hot, "temperature"},
      {biased, "logit_bias"},
  };
  for (const auto& [request, message] : cases) {
    const auto sequence = engine.Submit(request);
    EXPECT_EQ(sequence.status().code(), absl::StatusCode::kInvalidArgument) << message;
    EXPECT_THAT(MessageOf(sequence), HasSubstr(message));
  }
  EXPECT_TRUE(engine.idle());
}

TEST_F(EngineTest, WhatNeverFitsTheCacheIsRefusedAndWhatJustFitsRuns) {
  Load(5);  // 20 tokens
  Engine engine = MakeEngine();
  EXPECT_THAT(MessageOf(engine.Submit(Request(Ids(11, 1), 11))),
              HasSubstr("do not fit the latent cache of 20 tokens"));
  // The last token is never fed back, so it needs no place.
  EXPECT_THAT(RunOne(engine, Request(Ids(11, 1), 10)), SizeIs(10));
  EXPECT_EQ(free_blocks(), 5);
}

TEST_F(EngineTest, GivesAsManyTokensAsAskedForThenFreesItsBlocks) {
  Engine engine = MakeEngine();
  for (const std::int64_t count : {1, 2, 9}) {
    const std::int64_t sequence = *engine.Submit(Request({5, 6, 7}, count));
    EXPECT_FALSE(engine.idle());
    const std::map<std::int64_t, Output> outputs = RunAll(engine);
    EXPECT_THAT(outputs.at(sequence).ids, SizeIs(count));
    EXPECT_EQ(outputs.at(sequence).finish, FinishReason::kLength);
    EXPECT_EQ(free_blocks(), 64);
  }
  EXPECT_THAT(Step(engine), IsEmpty()) << "nothing is left to do";
}

TEST_F(EngineTest, GreedyTokensAreTheArgMaxOfTheTransformer) {
  Engine engine = MakeEngine();
  const Ids prompt = {9, 8, 7, 6, 5};
  const Ids tokens = RunOne(engine, Request(prompt, 6, 0, /*temperature=*/0.0F));
  Ids all = prompt;
  all.insert(all.end(), tokens.begin(), tokens.end());
  const auto vocab = model_->config().vocab_size;
  const std::vector<float> logits = FeedAlone(*model_, all, 5, 5, 1);
  for (std::int64_t i = 0; i < 6; ++i) {
    const auto row = logits.begin() + (4 + i) * vocab;
    EXPECT_EQ(std::max_element(row, row + vocab) - row, tokens[static_cast<std::size_t>(i)]);
  }
}

TEST_F(EngineTest, AStopIdIsReportedAndEndsTheSequence) {
  Engine engine = MakeEngine();
  const Ids free_run = RunOne(engine, Request({1, 2}, 12));
  GenerationRequest request = Request({1, 2}, 12);
  request.stop_ids = {250, free_run[4]};
  const auto first = std::find(free_run.begin(), free_run.end(), free_run[4]);
  const std::int64_t sequence = *engine.Submit(request);
  const std::map<std::int64_t, Output> outputs = RunAll(engine);
  EXPECT_EQ(outputs.at(sequence).ids, Ids(free_run.begin(), first + 1));
  EXPECT_EQ(outputs.at(sequence).finish, FinishReason::kStop);
  EXPECT_EQ(free_blocks(), 64);
}

TEST_F(EngineTest, AStopIdThatIsAlsoTheLastTokenIsAStop) {
  Engine engine = MakeEngine();
  GenerationRequest request = Request({1, 2}, 1);
  request.stop_ids = RunOne(engine, request);
  const std::int64_t sequence = *engine.Submit(request);
  EXPECT_EQ(RunAll(engine).at(sequence).finish, FinishReason::kStop);
}

TEST_F(EngineTest, BannedIdsNeverComeOut) {
  Engine all = MakeEngine();
  const Ids tokens = RunOne(all, Request({4}, 1, 0, /*temperature=*/0.0F));
  Engine engine = MakeEngine(512, 64, tokens);
  EXPECT_NE(RunOne(engine, Request({4}, 1, 0, /*temperature=*/0.0F)), tokens);
}

TEST_F(EngineTest, TheSameSeedGivesTheSameTokensWhateverRunsBeside) {
  Engine engine = MakeEngine();
  const Ids alone = RunOne(engine, Request({1, 2, 3}, 20, 42));
  EXPECT_NE(RunOne(engine, Request({1, 2, 3}, 20, 43)), alone);
  for (const std::int64_t budget : {3, 16, 512}) {
    Engine busy = MakeEngine(budget);
    std::int64_t same = 0;
    for (std::uint64_t i = 0; i < 9; ++i) {
      const Ids prompt(1 + 3 * i, static_cast<std::int32_t>(i));
      ASSERT_TRUE(busy.Submit(Request(prompt, 1 + static_cast<std::int64_t>(2 * i), i)).ok());
      if (i == 4) same = *busy.Submit(Request({1, 2, 3}, 20, 42));
    }
    EXPECT_EQ(RunAll(busy).at(same).ids, alone) << "steps of " << budget << " rows";
  }
  Load(64, /*threads=*/3);
  Engine other = MakeEngine();
  EXPECT_EQ(RunOne(other, Request({1, 2, 3}, 20, 42)), alone);
}

TEST_F(EngineTest, AStepHasNoMoreRowsThanItsBudget) {
  // A prompt of 10 in steps of 4 takes three; its first token comes with the last of them.
  Engine engine = MakeEngine(4);
  ASSERT_TRUE(engine.Submit(Request(Ids(10, 3), 2)).ok());
  EXPECT_THAT(Step(engine), IsEmpty());
  EXPECT_THAT(Step(engine), IsEmpty());
  EXPECT_THAT(Step(engine), SizeIs(1));
  EXPECT_THAT(Step(engine), SizeIs(1));
  EXPECT_TRUE(engine.idle());
}

TEST_F(EngineTest, GeneratingSequencesGoBeforePrompts) {
  Engine engine = MakeEngine(4);
  const std::int64_t first = *engine.Submit(Request({1, 2}, 5));
  ASSERT_THAT(Step(engine), SizeIs(1));
  const std::int64_t second = *engine.Submit(Request(Ids(6, 3), 1));
  // Each step: one row of the first, then three of the prompt.
  std::vector<TokenEvent> events = Step(engine);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].sequence, first);
  events = Step(engine);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].sequence, first);
  EXPECT_EQ(events[1].sequence, second);
}

TEST_F(EngineTest, WhoComesFirstIsAdmittedFirstAndTheRestWaitForTheCache) {
  Load(6);  // 24 tokens; each request below needs 3 blocks
  Engine engine = MakeEngine();
  std::vector<std::int64_t> sequences;
  for (std::uint64_t i = 0; i < 5; ++i) {
    sequences.push_back(*engine.Submit(Request(Ids(5, 1), 5, i)));
  }
  std::vector<std::int64_t> ended;
  while (!engine.idle()) {
    const std::vector<TokenEvent> events = Step(engine);
    for (const TokenEvent& event : events) {
      ASSERT_TRUE(event.token.ok()) << event.token.status();
      if (event.finish.has_value()) ended.push_back(event.sequence);
    }
  }
  EXPECT_EQ(ended, sequences);
  EXPECT_EQ(free_blocks(), 6);
}

TEST_F(EngineTest, ALargeRequestIsNotOvertakenBySmallOnes) {
  Load(6);
  Engine engine = MakeEngine();
  const std::int64_t running = *engine.Submit(Request(Ids(5, 1), 5));
  const std::int64_t large = *engine.Submit(Request(Ids(20, 1), 5));
  const std::int64_t small = *engine.Submit(Request({1}, 1));
  std::vector<std::int64_t> order;
  while (!engine.idle()) {
    for (const TokenEvent& event : Step(engine)) {
      if (order.empty() || order.back() != event.sequence) order.push_back(event.sequence);
    }
  }
  EXPECT_THAT(order, ElementsAre(running, large, small));
}

TEST_F(EngineTest, NoMoreSequencesRunAtOnceThanAllowed) {
  Engine engine = MakeEngine(512, /*max_sequences=*/3);
  for (std::uint64_t i = 0; i < 7; ++i) ASSERT_TRUE(engine.Submit(Request({1}, 4, i)).ok());
  std::size_t tokens = 0;
  while (!engine.idle()) {
    const std::size_t count = Step(engine).size();
    EXPECT_LE(count, 3U);
    tokens += count;
  }
  EXPECT_EQ(tokens, 28U);
}

TEST_F(EngineTest, ACancelledSequenceIsForgottenAndItsBlocksAreFree) {
  Engine engine = MakeEngine(512, /*max_sequences=*/2);
  const std::int64_t cancelled = *engine.Submit(Request({1, 2, 3}, 50));
  const std::int64_t kept = *engine.Submit(Request({4}, 6));
  const std::int64_t waiting = *engine.Submit(Request({5}, 6));
  ASSERT_TRUE(engine.Step().ok());
  const std::int32_t before = free_blocks();
  engine.Cancel(cancelled);
  engine.Cancel(waiting);
  EXPECT_GT(free_blocks(), before);
  const std::map<std::int64_t, Output> outputs = RunAll(engine);
  EXPECT_EQ(outputs.count(cancelled), 0U);
  EXPECT_EQ(outputs.count(waiting), 0U);
  EXPECT_THAT(outputs.at(kept).ids, SizeIs(5)) << "the first came before";
  EXPECT_EQ(free_blocks(), 64);
  engine.Cancel(kept);  // has ended
  engine.Cancel(12345);
  EXPECT_TRUE(engine.idle());
}

TEST_F(EngineTest, CancellingMakesRoomForWhoWaits) {
  Load(6);
  Engine engine = MakeEngine();
  const std::int64_t large = *engine.Submit(Request(Ids(10, 1), 14));
  const std::int64_t next = *engine.Submit(Request(Ids(9, 1), 3));
  ASSERT_TRUE(engine.Step().ok());
  engine.Cancel(large);
  EXPECT_THAT(RunAll(engine).at(next).ids, SizeIs(3));
}

TEST_F(EngineTest, LogprobsComeWithTheTokensThatAskForThem) {
  Engine engine = MakeEngine();
  GenerationRequest request = Request({1, 2}, 3, 0, /*temperature=*/0.0F);
  request.sampling.logprobs = 2;
  ASSERT_TRUE(engine.Submit(request).ok());
  while (!engine.idle()) {
    for (const TokenEvent& event : Step(engine)) {
      ASSERT_THAT(event.token->heaviest, SizeIs(2));
      EXPECT_EQ(event.token->heaviest[0].id, event.token->id);
      EXPECT_LT(event.token->logprob, 0.0F);
    }
  }
}

TEST_F(EngineTest, APenaltySeesThePromptAndWhatWasGenerated) {
  Engine engine = MakeEngine();
  GenerationRequest request = Request({1, 2}, 40, 0, /*temperature=*/0.0F);
  request.sampling.frequency_penalty = 2.0F;
  request.sampling.presence_penalty = 2.0F;
  const Ids plain = RunOne(engine, Request({1, 2}, 40, 0, /*temperature=*/0.0F));
  const Ids penalised = RunOne(engine, request);
  const auto distinct = [](Ids ids) {
    std::sort(ids.begin(), ids.end());
    return std::unique(ids.begin(), ids.end()) - ids.begin();
  };
  EXPECT_GT(distinct(penalised), distinct(plain));
}

}  // namespace
}  // namespace sextant
