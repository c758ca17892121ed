#include "tests/unit/attention_worker/engine/engine_harness.h"

#include <gtest/gtest.h>

#include <random>
#include <utility>

namespace sextant {

EngineHarness::EngineHarness(const EngineHarnessOptions& options)
    : options_(options),
      cache_(MakeTagCache(options.block_tokens, options.num_blocks)),
      model_(*cache_) {
  RestartEngine();
}

void EngineHarness::RestartEngine() {
  outputs_.clear();
  engine_ = nullptr;
  engine_ = std::make_unique<Engine>(model_, *cache_,
                                     Engine::Options{.max_batch_tokens = options_.max_batch_tokens,
                                                     .max_sequences = options_.max_sequences,
                                                     .max_waiting = options_.max_waiting,
                                                     .max_context = 4096,
                                                     .vocab_size = TaggingModel::kVocab,
                                                     .banned_ids = {},
                                                     .prefix_cache = options_.prefix_cache});
}

std::int64_t EngineHarness::Submit(GenerationRequest request) {
  const auto sequence = engine_->Submit(std::move(request));
  EXPECT_TRUE(sequence.ok()) << sequence.status();
  return sequence.value_or(-1);
}

void EngineHarness::Record(const std::vector<TokenEvent>& events) {
  for (const TokenEvent& event : events) {
    const bool first = outputs_.count(event.sequence) == 0;
    EngineOutput& output = outputs_[event.sequence];
    EXPECT_FALSE(output.finish.has_value() || !output.failure.ok()) << "an event after the last";
    EXPECT_TRUE(first || event.cached_prompt_tokens == 0);
    output.cached_prompt_tokens += event.cached_prompt_tokens;
    output.finish = event.finish;
    if (event.token.ok()) {
      output.ids.push_back(event.token->id);
      output.logprobs.push_back(event.token->logprob);
    } else {
      output.failure = event.token.status();
    }
  }
}

void EngineHarness::Step() {
  const auto events = engine_->Step();
  EXPECT_TRUE(events.ok()) << events.status();
  if (events.ok()) Record(*events);
}

void EngineHarness::RunAll() {
  for (int steps = 0; !engine_->idle(); ++steps) {
    ASSERT_LT(steps, 100'000) << "the engine does not get on";
    Step();
  }
}

EngineOutput RunAlone(GenerationRequest request) {
  EngineHarness harness({.num_blocks = 2048, .prefix_cache = false});
  const std::int64_t sequence = harness.Submit(std::move(request));
  harness.RunAll();
  return harness.outputs().at(sequence);
}

std::vector<std::int32_t> SeededIds(std::uint32_t seed, std::size_t length) {
  std::mt19937 random(seed);
  std::vector<std::int32_t> ids(length);
  for (std::int32_t& id : ids) {
    id = static_cast<std::int32_t>(random() % static_cast<std::uint32_t>(TaggingModel::kVocab));
  }
  return ids;
}

}  // namespace sextant
