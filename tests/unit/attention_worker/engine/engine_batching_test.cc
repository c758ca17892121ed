// What the engine computes, in which order and with which blocks, on a model that notices every
// wrong byte of the cache.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/message_of.h"
#include "tests/unit/attention_worker/engine/engine_harness.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

using Ids = std::vector<std::int32_t>;

GenerationRequest Request(Ids prompt, std::int64_t max_tokens, std::uint64_t seed = 1) {
  return {.prompt_ids = std::move(prompt),
          .sampling = {.logprobs = 0, .seed = seed},
          .max_tokens = max_tokens,
          .stop_ids = {}};
}

void ExpectSame(const EngineOutput& output, const EngineOutput& expected, const std::string& what) {
  EXPECT_EQ(output.ids, expected.ids) << what;
  EXPECT_EQ(output.logprobs, expected.logprobs) << what;
  EXPECT_EQ(output.finish, expected.finish) << what;
}

std::int64_t RowsOf(const TaggingModel& model) {
  std::int64_t rows = 0;
  for (const TaggingModel::Step& step : model.steps()) rows += step.rows;
  return rows;
}

TEST(EngineBatchingTest, TheHeadOfAPromptIsNotComputedTwice) {
  EngineHarness harness;  // blocks of 4
  const Ids prompt = SeededIds(1, 11);
  const std::int64_t first = harness.Submit(Request(prompt, 1));
  harness.RunAll();
  Ids other = prompt;
  other[9] = static_cast<std::int32_t>((other[9] + 1) % TaggingModel::kVocab);
  const std::int64_t same_head = harness.Submit(Request(other, 3));
  harness.RunAll();
  EXPECT_EQ(harness.outputs().at(first).cached_prompt_tokens, 0);
  EXPECT_EQ(harness.outputs().at(same_head).cached_prompt_tokens, 8);
  EXPECT_EQ(RowsOf(harness.model()), 11 + 3 + 2);
  ExpectSame(harness.outputs().at(same_head), RunAlone(Request(other, 3)), "after a cached head");
}

TEST(EngineBatchingTest, OfAPromptThatIsWhollyCachedTheLastPositionIsComputed) {
  EngineHarness harness;
  const Ids prompt = SeededIds(2, 12);
  harness.Submit(Request(prompt, 1));
  harness.RunAll();
  const std::int64_t again = harness.Submit(Request(prompt, 2, 5));
  const std::int64_t third = harness.Submit(Request(prompt, 2, 6));
  harness.RunAll();
  for (const std::int64_t sequence : {again, third}) {
    EXPECT_EQ(harness.outputs().at(sequence).cached_prompt_tokens, 11);
  }
  EXPECT_EQ(harness.engine().stats().rows.prompt_rows, 12 + 1 + 1);
  ExpectSame(harness.outputs().at(again), RunAlone(Request(prompt, 2, 5)), "first copy");
  ExpectSame(harness.outputs().at(third), RunAlone(Request(prompt, 2, 6)), "second copy");
}

TEST(EngineBatchingTest, WithoutRoomForACopyTheLastBlockIsComputedAgain) {
  EngineHarness harness({.block_tokens = 4, .num_blocks = 3});
  const Ids prompt = SeededIds(2, 12);
  harness.Submit(Request(prompt, 1));
  harness.RunAll();
  const std::int64_t again = harness.Submit(Request(prompt, 1));
  harness.RunAll();
  EXPECT_EQ(harness.outputs().at(again).cached_prompt_tokens, 8);
  ExpectSame(harness.outputs().at(again), RunAlone(Request(prompt, 1)), "in a cache of its size");
}

TEST(EngineBatchingTest, GeneratedPositionsAreNeverTakenForPromptPositions) {
  EngineHarness harness;
  const Ids prompt = SeededIds(3, 6);
  const std::int64_t first = harness.Submit(Request(prompt, 20));
  harness.RunAll();
  Ids turn = prompt;
  const Ids& answer = harness.outputs().at(first).ids;
  turn.insert(turn.end(), answer.begin(), answer.end());
  const std::int64_t second = harness.Submit(Request(turn, 4));
  harness.RunAll();
  EXPECT_EQ(harness.outputs().at(second).cached_prompt_tokens, 4) << "the one full prompt block";
  ExpectSame(harness.outputs().at(second), RunAlone(Request(turn, 4)), "a second turn");
}

TEST(EngineBatchingTest, WithoutAPrefixCacheNothingIsKept) {
  EngineHarness harness({.prefix_cache = false});
  for (int i = 0; i < 2; ++i) harness.Submit(Request(SeededIds(1, 11), 1));
  harness.RunAll();
  harness.Submit(Request(SeededIds(1, 11), 1));
  harness.RunAll();
  EXPECT_EQ(harness.engine().stats().rows.cached_rows, 0);
  EXPECT_EQ(harness.engine().stats().rows.prompt_rows, 33);
}

TEST(EngineBatchingTest, WhatWasUnusedLongestMakesRoomFirst) {
  EngineHarness harness({.block_tokens = 4, .num_blocks = 7});
  const Ids a = SeededIds(10, 9);
  const Ids b = SeededIds(11, 9);
  const Ids c = SeededIds(12, 9);
  for (const Ids& prompt : {a, b, a, c}) {  // two full blocks each; c takes the room of b
    harness.Submit(Request(prompt, 1));
    harness.RunAll();
  }
  const std::int64_t again = harness.Submit(Request(a, 1));
  harness.RunAll();
  EXPECT_EQ(harness.outputs().at(again).cached_prompt_tokens, 8);
  EXPECT_EQ(harness.pool().num_free(), 7);
}

TEST(EngineBatchingTest, TheYoungestGivesItsBlocksAndBeginsAgainWithTheSameTokens) {
  for (const bool prefix_cache : {false, true}) {
    EngineHarness harness({.block_tokens = 4, .num_blocks = 10, .prefix_cache = prefix_cache});
    std::vector<std::int64_t> sequences;
    for (std::uint64_t i = 0; i < 3; ++i) {
      sequences.push_back(
          harness.Submit(Request(SeededIds(static_cast<std::uint32_t>(i), 5), 25, i)));
    }
    harness.RunAll();
    const EngineStats stats = harness.engine().stats();
    EXPECT_GT(stats.rows.preemptions, 0);
    EXPECT_GT(stats.rows.replayed_rows, 0);
    for (std::uint64_t i = 0; i < 3; ++i) {
      ExpectSame(harness.outputs().at(sequences[i]),
                 RunAlone(Request(SeededIds(static_cast<std::uint32_t>(i), 5), 25, i)),
                 "preempted");
    }
    EXPECT_EQ(harness.pool().num_free(), 10);
  }
}

TEST(EngineBatchingTest, TheOldestOfTheHighestPriorityIsNeverPreempted) {
  EngineHarness harness({.block_tokens = 2, .num_blocks = 12, .prefix_cache = false});
  harness.Submit(Request(SeededIds(1, 3), 20, 1));
  GenerationRequest urgent = Request(SeededIds(2, 3), 20, 2);
  urgent.priority = 5;
  const std::int64_t first = harness.Submit(urgent);
  harness.Submit(Request(SeededIds(3, 3), 20, 3));
  int steps = 0;
  for (; !harness.Output(first).finish.has_value(); ++steps) harness.Step();
  EXPECT_EQ(steps, 20) << "a token with every step";
  harness.RunAll();
  EXPECT_GT(harness.engine().stats().rows.preemptions, 0);
}

TEST(EngineBatchingTest, AHigherPriorityIsAdmittedFirst) {
  EngineHarness harness({.max_sequences = 1});
  std::vector<std::int64_t> sequences;
  for (const std::int32_t priority : {0, -3, 7, 0, 7}) {
    GenerationRequest request = Request(SeededIds(1, 3), 2);
    request.priority = priority;
    sequences.push_back(harness.Submit(std::move(request)));
  }
  std::vector<std::int64_t> order;
  while (!harness.engine().idle()) {
    const auto events = harness.engine().Step();
    ASSERT_TRUE(events.ok());
    for (const TokenEvent& event : *events) {
      if (event.finish.has_value()) order.push_back(event.sequence);
    }
  }
  EXPECT_THAT(order,
              ElementsAre(sequences[2], sequences[4], sequences[0], sequences[3], sequences[1]));
}

TEST(EngineBatchingTest, AReplayGoesOnAtEveryCutAsIfNothingHadHappened) {
  constexpr std::size_t kTokens = 30;
  const GenerationRequest whole = Request(SeededIds(4, 9), kTokens, 3);
  const EngineOutput alone = RunAlone(whole);
  for (const std::int64_t budget : {1, 7, 64}) {
    EngineHarness harness({.max_batch_tokens = budget});
    for (std::size_t cut = 0; cut < kTokens; ++cut) {
      GenerationRequest rest = whole;
      rest.generated_ids.assign(alone.ids.begin(),
                                alone.ids.begin() + static_cast<std::ptrdiff_t>(cut));
      const std::int64_t sequence = harness.Submit(rest);
      harness.RunAll();
      const EngineOutput& output = harness.outputs().at(sequence);
      EXPECT_EQ(output.ids,
                Ids(alone.ids.begin() + static_cast<std::ptrdiff_t>(cut), alone.ids.end()))
          << "cut at " << cut << ", " << budget << " rows a step";
      EXPECT_EQ(output.finish, FinishReason::kLength);
    }
  }
}

TEST(EngineBatchingTest, AReplayTakesAsManyRowsAsAStepHas) {
  EngineHarness harness({.max_batch_tokens = 16, .prefix_cache = false});
  GenerationRequest request = Request(SeededIds(4, 10), 31);
  request.generated_ids = SeededIds(5, 30);
  harness.Submit(request);
  harness.RunAll();
  // The prompt by itself, 30 rows of the decode path in two steps.
  EXPECT_THAT(harness.model().steps(), SizeIs(3));
  EXPECT_EQ(harness.engine().stats().rows.replayed_rows, 40);
}

TEST(EngineBatchingTest, WhatIsWrongWithAReplayIsNamed) {
  EngineHarness harness;
  GenerationRequest request = Request(SeededIds(4, 10), 5);
  request.generated_ids = {1, 2, 99};
  EXPECT_THAT(MessageOf(harness.engine().Submit(request)), HasSubstr("token id 99"));
  request.generated_ids = {1, 2, 3, 4, 5};
  EXPECT_THAT(MessageOf(harness.engine().Submit(request)),
              HasSubstr("generated 5 tokens of at most 5 already"));
}

TEST(EngineBatchingTest, AStepThatFailedIsMadeAgainAndNothingIsLost) {
  EngineHarness harness({.block_tokens = 4, .num_blocks = 12, .max_batch_tokens = 7});
  std::vector<std::int64_t> sequences;
  for (std::uint32_t i = 0; i < 4; ++i) {
    sequences.push_back(harness.Submit(Request(SeededIds(i, 9), 12, i)));
  }
  for (int step = 0; !harness.engine().idle(); ++step) {
    if (step % 3 != 0) {
      harness.model().FailNext(step % 3, absl::UnavailableError("nobody holds expert 3"));
      for (int i = 0; i < step % 3; ++i) {
        EXPECT_EQ(harness.engine().Step().status().code(), absl::StatusCode::kUnavailable);
      }
    }
    harness.Step();
  }
  for (std::uint32_t i = 0; i < 4; ++i) {
    ExpectSame(harness.outputs().at(sequences[i]), RunAlone(Request(SeededIds(i, 9), 12, i)),
               "after failed steps");
  }
  EXPECT_EQ(harness.pool().num_free(), 12);
}

TEST(EngineBatchingTest, ASequenceWithBrokenLogitsEndsAlone) {
  EngineHarness harness;
  harness.model().set_poison(33);
  const std::int64_t broken = harness.Submit(Request({1, 2, 33}, 5));
  const std::int64_t sound = harness.Submit(Request({1, 2, 3}, 5));
  harness.RunAll();
  EXPECT_EQ(harness.outputs().at(broken).failure.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(harness.outputs().at(broken).ids, SizeIs(0));
  EXPECT_TRUE(harness.outputs().at(sound).failure.ok());
  EXPECT_EQ(harness.pool().num_free(), 256);
}

TEST(EngineBatchingTest, FailingAStepForGoodEndsWhatRunsAndNotWhatWaits) {
  EngineHarness harness({.max_sequences = 2});
  std::vector<std::int64_t> sequences;
  for (std::uint32_t i = 0; i < 3; ++i) {
    sequences.push_back(harness.Submit(Request(SeededIds(i, 9), 3, i)));
  }
  harness.Step();
  harness.Record(harness.engine().FailRunning(absl::InternalError("a worker cannot compute")));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(harness.outputs().at(sequences[static_cast<std::size_t>(i)]).failure.code(),
              absl::StatusCode::kInternal);
  }
  harness.RunAll();
  EXPECT_THAT(harness.outputs().at(sequences[2]).ids, SizeIs(3));
  EXPECT_EQ(harness.pool().num_free(), 256);
}

TEST(EngineBatchingTest, ACancelledSequenceFreesItsBlocksAtOnce) {
  EngineHarness harness;
  const std::int64_t sequence = harness.Submit(Request(SeededIds(1, 30), 50));
  harness.Step();
  EXPECT_LT(harness.pool().num_free(), 256);
  harness.engine().Cancel(sequence);
  EXPECT_EQ(harness.pool().num_free(), 256);
  EXPECT_TRUE(harness.engine().idle());
}

TEST(EngineBatchingTest, MoreThanMayWaitIsRefused) {
  EngineHarness harness({.max_sequences = 1, .max_waiting = 2});
  harness.Submit(Request({1}, 4));
  harness.Step();
  harness.Submit(Request({1}, 4));
  harness.Submit(Request({1}, 4));
  EXPECT_EQ(harness.engine().Submit(Request({1}, 4)).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(EngineBatchingTest, WhoWaitsForTheNextStepAloneIsNotHeldBack) {
  EngineHarness harness({.max_batch_tokens = 8});
  for (std::uint32_t i = 0; i < 3; ++i) harness.Submit(Request(SeededIds(i, 8), 4));
  harness.Step();
  EXPECT_EQ(harness.engine().stats().waiting, 2);
  EXPECT_EQ(harness.engine().stats().held_back, 0);
}

TEST(EngineBatchingTest, WhoFindsNoBlocksOrNoPlaceIsHeldBackUntilThereAreSome) {
  for (const EngineHarnessOptions& options :
       {EngineHarnessOptions{.num_blocks = 8}, EngineHarnessOptions{.max_sequences = 1}}) {
    EngineHarness harness(options);
    const std::int64_t first = harness.Submit(Request(SeededIds(1, 20), 6));
    harness.Submit(Request(SeededIds(2, 20), 6));
    harness.Step();
    EXPECT_EQ(harness.engine().stats().held_back, 1);
    harness.engine().Cancel(first);
    harness.Step();
    EXPECT_EQ(harness.engine().stats().held_back, 0);
    EXPECT_EQ(harness.engine().stats().running, 1);
  }
}

TEST(EngineBatchingTest, EachSequenceHasItsOwnBannedIds) {
  EngineHarness harness;
  const Ids prompt = SeededIds(8, 5);
  const std::int32_t usual = RunAlone(Request(prompt, 1)).ids[0];
  GenerationRequest banned = Request(prompt, 1);
  banned.banned_ids = std::make_shared<const Ids>(Ids{usual});
  std::vector<std::int64_t> free;
  std::vector<std::int64_t> bound;
  for (int i = 0; i < 3; ++i) {
    free.push_back(harness.Submit(Request(prompt, 1)));
    bound.push_back(harness.Submit(banned));
  }
  harness.RunAll();
  for (const std::int64_t sequence : free) EXPECT_EQ(harness.outputs().at(sequence).ids[0], usual);
  for (const std::int64_t sequence : bound) EXPECT_NE(harness.outputs().at(sequence).ids[0], usual);
}

TEST(EngineLookAheadTest, StepsAreGivenToTheModelBeforeTheTokensOfTheOnesBefore) {
  EngineHarness harness;
  harness.model().set_looks_ahead(true);
  const std::int64_t one = harness.Submit(Request(SeededIds(1, 9), 20, 1));
  const std::int64_t other = harness.Submit(Request(SeededIds(2, 5), 12, 2));
  harness.RunAll();
  // All but the prompts' step, the first decode step, and those that follow an end.
  EXPECT_GE(harness.model().steps_ahead(), 16);
  ExpectSame(harness.Output(one), RunAlone(Request(SeededIds(1, 9), 20, 1)), "the longer one");
  ExpectSame(harness.Output(other), RunAlone(Request(SeededIds(2, 5), 12, 2)), "the shorter one");
  EXPECT_EQ(harness.pool().num_free(), harness.pool().num_blocks());
}

TEST(EngineLookAheadTest, WhoIsCancelledGetsNothingAndWhoComesWaitsAStep) {
  EngineHarness harness;
  harness.model().set_looks_ahead(true);
  const std::int64_t stays = harness.Submit(Request(SeededIds(1, 9), 12, 1));
  const std::int64_t goes = harness.Submit(Request(SeededIds(2, 5), 12, 2));
  for (int step = 0; step < 4; ++step) harness.Step();
  const std::size_t tokens = harness.Output(goes).ids.size();
  ASSERT_GT(harness.model().steps_ahead(), 0);
  harness.engine().Cancel(goes);
  const std::int64_t comes = harness.Submit(Request(SeededIds(3, 6), 5, 3));
  harness.Step();  // on its way already
  EXPECT_THAT(harness.Output(comes).ids, SizeIs(0));
  harness.Step();
  EXPECT_THAT(harness.Output(comes).ids, SizeIs(1));
  harness.RunAll();
  EXPECT_EQ(harness.Output(goes).ids.size(), tokens);
  ExpectSame(harness.Output(stays), RunAlone(Request(SeededIds(1, 9), 12, 1)), "who stays");
  ExpectSame(harness.Output(comes), RunAlone(Request(SeededIds(3, 6), 5, 3)), "who comes");
}

TEST(EngineLookAheadTest, AStopTokenEndsASequenceWhoseNextStepIsOnItsWay) {
  const EngineOutput whole = RunAlone(Request(SeededIds(1, 9), 12, 1));
  GenerationRequest stops = Request(SeededIds(1, 9), 12, 1);
  stops.stop_ids = {whole.ids[6]};
  const EngineOutput expected = RunAlone(stops);
  EngineHarness harness;
  harness.model().set_looks_ahead(true);
  const std::int64_t sequence = harness.Submit(stops);
  harness.RunAll();
  ExpectSame(harness.Output(sequence), expected, "with a stop token");
  EXPECT_LT(harness.Output(sequence).ids.size(), 12U);
  // The step that nobody wants any more is taken back before another one.
  const std::int64_t next = harness.Submit(Request(SeededIds(4, 3), 4, 4));
  harness.RunAll();
  ExpectSame(harness.Output(next), RunAlone(Request(SeededIds(4, 3), 4, 4)), "who comes next");
}

TEST(EngineLookAheadTest, AStepThatFailsTakesTheOneAfterItAlong) {
  for (int failing = 1; failing < 6; ++failing) {
    EngineHarness harness;
    harness.model().set_looks_ahead(true);
    const std::int64_t sequence = harness.Submit(Request(SeededIds(1, 9), 8, 1));
    for (int step = 0; step < failing; ++step) harness.Step();
    harness.model().FailNextSampling(absl::InternalError("the GPU has failed"));
    EXPECT_FALSE(harness.engine().Step().ok());
    EXPECT_EQ(harness.engine().stats().failed_steps, 1);
    harness.RunAll();
    ExpectSame(harness.Output(sequence), RunAlone(Request(SeededIds(1, 9), 8, 1)), "after all");
  }
}

TEST(EngineLookAheadTest, AnEngineThatEndsLeavesTheModelWithNothingUnderWay) {
  EngineHarness harness;
  harness.model().set_looks_ahead(true);
  for (std::uint64_t seed = 1; seed < 4; ++seed) {
    const std::int64_t sequence = harness.Submit(Request(SeededIds(5, 4), 6, seed));
    harness.RunAll();
    ExpectSame(harness.Output(sequence), RunAlone(Request(SeededIds(5, 4), 6, seed)), "in turn");
    harness.RestartEngine();
  }
}

TEST(EngineLookAheadTest, NotWhereTheTokenItselfIsNeeded) {
  EngineHarness harness;
  harness.model().set_looks_ahead(true);
  GenerationRequest request = Request(SeededIds(1, 9), 10, 1);
  request.sampling.presence_penalty = 1.0F;
  const std::int64_t sequence = harness.Submit(request);
  harness.RunAll();
  EXPECT_EQ(harness.model().steps_ahead(), 0);
  ExpectSame(harness.Output(sequence), RunAlone(request), "with a penalty");
}

}  // namespace
}  // namespace sextant
