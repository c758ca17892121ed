// One model on several emulated GPUs, in every form, gives the bytes of one.
#include "cli/engine/device_rank.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "attention_worker/engine/engine.h"
#include "cli/engine/device_model.h"
#include "tests/golden/golden_model.h"
#include "tests/support/device/test_gpu.h"
#include "tests/support/fed_sequence.h"
#include "tests/support/message_of.h"
#include "tests/unit/cli/engine/emulated_ranks.h"

namespace sextant::cli {
namespace {

using Ids = std::vector<std::int32_t>;
using Answers = std::vector<Ids>;
using testing::HasSubstr;

constexpr std::int32_t kExperts = 16;
constexpr std::int32_t kIds = 254;

RankRole Holding(bool attends, std::int32_t begin, std::int32_t end) {
  RankRole role{.attends = attends, .experts = Ids(static_cast<std::size_t>(end - begin))};
  std::iota(role.experts.begin(), role.experts.end(), begin);
  return role;
}

std::vector<GenerationRequest> Requests(std::uint32_t count, std::int64_t max_tokens) {
  std::vector<GenerationRequest> requests;
  for (std::uint32_t i = 0; i < count; ++i) {
    requests.push_back({.prompt_ids = RandomIds(4 + 5 * i % 23, i, kIds),
                        .sampling = {.temperature = 0.9F, .seed = 70 + i},
                        .max_tokens = max_tokens + i % 3,
                        .stop_ids = {}});
  }
  return requests;
}

struct Outcome {
  Answers answers;
  std::int64_t failed_steps = 0;  // and taken again
};

class DeviceRankTest : public testing::Test {
 protected:
  // Every token of the requests; steps that fail are taken again.
  [[nodiscard]] Outcome RunAll(StepModel& model, LatentCache& cache,
                               const std::vector<GenerationRequest>& requests) const {
    Engine engine(model, cache,
                  {.max_batch_tokens = sizes_.max_batch_tokens,
                   .max_sequences = sizes_.max_sequences,
                   .max_context = config_.max_position_embeddings,
                   .vocab_size = config_.vocab_size,
                   .banned_ids = {254, 255},
                   .prefix_cache = true});
    Outcome outcome{.answers = Answers(requests.size())};
    for (const GenerationRequest& request : requests) EXPECT_TRUE(engine.Submit(request).ok());
    while (!engine.idle()) {
      const auto events = engine.Step();
      if (absl::IsUnavailable(events.status()) || absl::IsAborted(events.status())) continue;
      EXPECT_TRUE(events.ok()) << events.status();
      if (!events.ok()) break;
      for (const TokenEvent& event : *events) {
        EXPECT_TRUE(event.token.ok()) << event.token.status();
        if (!event.token.ok()) continue;
        outcome.answers[static_cast<std::size_t>(event.sequence)].push_back(event.token->id);
      }
    }
    outcome.failed_steps = engine.stats().failed_steps;
    return outcome;
  }

  // On one GPU.
  [[nodiscard]] Answers Alone(const std::vector<GenerationRequest>& requests) const {
    auto model = DeviceModel::Open(OpenTestGpu(), config_, &checkpoint_,
                                   {.cache_tokens = sizes_.cache_tokens,
                                    .max_batch_tokens = sizes_.max_batch_tokens,
                                    .max_sequences = sizes_.max_sequences});
    EXPECT_TRUE(model.ok()) << model.status();
    return RunAll((*model)->step_model(), (*model)->cache(), requests).answers;
  }

  // Starts a rank that attends: it answers the requests, and then serves.
  void Answer(EmulatedRanks& ranks, std::size_t index, std::vector<GenerationRequest> requests,
              Outcome& outcome, absl::BlockingCounter& finish) const {
    ranks.Run(index, [this, &ranks, index, requests = std::move(requests), &outcome, &finish] {
      DeviceRank& rank = ranks.rank(index);
      outcome = RunAll(rank.transformer(), rank.cache(), requests);
      finish.DecrementCount();
      ranks.Serve(index);
    });
  }

  // Every rank that attends answers its part of the requests; all others serve.
  [[nodiscard]] Outcome Together(EmulatedRanks& ranks, const std::vector<RankRole>& roles,
                                 const std::vector<GenerationRequest>& requests) const {
    std::vector<std::size_t> all(roles.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    ranks.Enter(1, all);
    std::vector<std::size_t> attending;
    for (const std::size_t index : all) {
      if (roles[index].attends) attending.push_back(index);
      if (!roles[index].attends) ranks.Run(index, [&ranks, index] { ranks.Serve(index); });
    }
    absl::BlockingCounter finish(static_cast<int>(attending.size()));
    std::vector<Outcome> parts(attending.size());
    for (std::size_t part = 0; part < parts.size(); ++part) {
      std::vector<GenerationRequest> own;
      for (std::size_t i = part; i < requests.size(); i += parts.size()) own.push_back(requests[i]);
      Answer(ranks, attending[part], std::move(own), parts[part], finish);
    }
    finish.Wait();
    ranks.Stop();
    Outcome whole{.answers = Answers(requests.size())};
    for (std::size_t i = 0; i < requests.size(); ++i) {
      whole.answers[i] = parts[i % parts.size()].answers[i / parts.size()];
    }
    for (const Outcome& part : parts) whole.failed_steps += part.failed_steps;
    return whole;
  }

  void ExpectOneGpusBytes(const std::vector<RankRole>& roles, std::uint32_t requests) {
    const std::vector<GenerationRequest> asked = Requests(requests, 3);
    EmulatedRanks ranks(config_, checkpoint_, roles, sizes_);
    const Outcome outcome = Together(ranks, roles, asked);
    EXPECT_EQ(outcome.answers, Alone(asked));
    EXPECT_EQ(outcome.failed_steps, 0);
    EXPECT_GT(ranks.exact_steps(), 0);  // prompts
    EXPECT_GT(ranks.slot_steps(), 0);
  }

  const std::string folder_ = GoldenModelFolder("lite");
  const ModelConfig config_ = *ReadModelConfig(folder_);
  const Checkpoint checkpoint_ = *Checkpoint::Open(folder_);
  const EmulatedRanks::Sizes sizes_{
      .max_batch_tokens = 20, .max_sequences = 16, .cache_tokens = 2048};
};

TEST_F(DeviceRankTest, RanksThatDoBothGiveOneGpusBytes) {
  ExpectOneGpusBytes({Holding(true, 0, 7), Holding(true, 7, kExperts)}, 5);
}

TEST_F(DeviceRankTest, AttentionAndExpertsApartGiveOneGpusBytes) {
  ExpectOneGpusBytes({Holding(true, 0, 0), Holding(false, 0, 8), Holding(false, 8, kExperts)}, 3);
  ExpectOneGpusBytes({Holding(true, 0, 0), Holding(false, 0, kExperts), Holding(true, 0, 0)}, 4);
}

TEST_F(DeviceRankTest, ARankAloneIsOneGpu) { ExpectOneGpusBytes({Holding(true, 0, kExperts)}, 3); }

TEST_F(DeviceRankTest, RanksOfEverySortGiveOneGpusBytes) {
  // Two hold the same experts; one attends and has no request.
  ExpectOneGpusBytes({Holding(true, 0, 4), Holding(false, 4, kExperts), Holding(true, 0, 0),
                      Holding(false, 2, 12)},
                     1);
}

// One rank holds nearly all experts: of 16 rows it gets more pairs than its slots have room for.
TEST_F(DeviceRankTest, WhatDoesNotFitItsSlotsIsTakenAgain) {
  const std::vector<RankRole> roles = {Holding(true, 0, 13), Holding(false, 13, 14),
                                       Holding(false, 14, 15), Holding(false, 15, kExperts)};
  std::vector<GenerationRequest> asked = Requests(16, 2);
  for (GenerationRequest& request : asked) request.prompt_ids.resize(1);
  EmulatedRanks ranks(config_, checkpoint_, roles, sizes_);
  const Outcome outcome = Together(ranks, roles, asked);
  EXPECT_EQ(outcome.answers, Alone(asked));
  EXPECT_GT(outcome.failed_steps, 0);
}

TEST_F(DeviceRankTest, ADeathInAnyStepChangesNoByte) {
  const std::vector<RankRole> roles = {Holding(true, 0, 0), Holding(false, 0, kExperts),
                                       Holding(false, 0, kExperts)};
  const std::vector<GenerationRequest> asked = Requests(3, 5);
  const Answers wanted = Alone(asked);
  std::int64_t failed_steps = 0;
  for (const std::int64_t steps : {0, 1, 3, 4}) {
    SCOPED_TRACE(steps);
    EmulatedRanks ranks(config_, checkpoint_, roles, sizes_);
    ranks.Enter(1, {0, 1, 2});
    absl::BlockingCounter finish(1);
    Outcome outcome;
    Answer(ranks, 0, asked, outcome, finish);
    ranks.Run(1, [&] { ranks.Serve(1); });
    ranks.Run(2, [&] { ranks.Serve(2, steps); });  // and is not there for the next one
    ranks.WaitForStep(steps + 1);
    const bool prepared_before = steps % 2 == 1;
    if (prepared_before) ranks.Enter(2, {0, 1});
    ranks.EndBefore(2, {0, 1});
    if (!prepared_before) ranks.Enter(2, {0, 1});
    finish.Wait();
    ranks.Stop();
    EXPECT_EQ(outcome.answers, wanted);
    failed_steps += outcome.failed_steps;
  }
  EXPECT_GT(failed_steps, 0);
}

TEST_F(DeviceRankTest, RanksComeAndGoBetweenSteps) {
  const std::vector<RankRole> roles = {Holding(true, 0, 0), Holding(false, 0, kExperts),
                                       Holding(false, 0, kExperts)};
  const std::vector<GenerationRequest> asked = Requests(3, 7);
  EmulatedRanks ranks(config_, checkpoint_, roles, sizes_);
  ranks.Enter(1, {0, 1});
  absl::BlockingCounter finish(1);
  Outcome outcome;
  std::int64_t served_by_second = 0;
  Answer(ranks, 0, asked, outcome, finish);
  ranks.Run(1, [&] { ranks.Serve(1); });
  ranks.Run(2, [&] { served_by_second = ranks.Serve(2); });
  ranks.WaitForStep(3);
  ranks.Enter(2, {0, 1, 2});
  ranks.Switch(1, 2);
  ranks.WaitForStep(6);
  ranks.Enter(3, {0, 2});
  ranks.Switch(2, 3);
  finish.Wait();
  ranks.Stop();
  EXPECT_EQ(outcome.answers, Alone(asked));
  EXPECT_EQ(outcome.failed_steps, 0);
  EXPECT_GT(served_by_second, 0);
}

// Two ranks become three and two again. Experts move to those that have a slot for them while
// everybody computes, and into slots whose experts have moved away.
TEST_F(DeviceRankTest, ExpertsMoveWhileTokensFlow) {
  const std::vector<GenerationRequest> asked = Requests(3, 3);
  const Answers wanted = Alone(asked);
  EmulatedRanks::Sizes sizes = sizes_;
  sizes.expert_slots = 8;
  for (const bool all_attend : {false, true}) {
    SCOPED_TRACE(all_attend);
    EmulatedRanks ranks(
        config_, checkpoint_,
        {Holding(true, 0, 8), Holding(all_attend, 8, kExperts), Holding(all_attend, 0, 0)}, sizes);
    ranks.Enter(1, {0, 1});
    std::atomic<bool> enough = false;
    absl::BlockingCounter finish(1);
    std::vector<Outcome> outcomes;
    ranks.Run(0, [&] {
      DeviceRank& rank = ranks.rank(0);
      while (!enough.load()) outcomes.push_back(RunAll(rank.transformer(), rank.cache(), asked));
      finish.DecrementCount();
      ranks.Serve(0);
    });
    for (const std::size_t index : {1U, 2U}) {
      ranks.Run(index, [&ranks, index] { ranks.Serve(index); });
    }
    ranks.WaitForStepOf(1, 2);

    ranks.Assign(2, {5, 6, 7, 13, 14, 15});
    ranks.Assign(0, {0, 1, 2, 3, 4});
    ranks.Assign(1, {8, 9, 10, 11, 12});
    ranks.Enter(2, {0, 1, 2});
    ranks.Switch(1, 2);
    ranks.WaitForStepOf(2, 3);
    for (const std::size_t index : {0U, 1U}) ranks.Retire(index);

    ranks.Assign(0, {0, 1, 2, 3, 4, 8, 9, 10});
    ranks.Assign(2, {5, 6, 7, 11, 12, 13, 14, 15});
    ranks.Assign(1, {});
    ranks.Enter(3, {0, 2});
    ranks.Switch(2, 3);
    ranks.WaitForStepOf(3, 3);
    ranks.Retire(1);
    enough.store(true);
    finish.Wait();
    ranks.Stop();

    ASSERT_FALSE(outcomes.empty());
    for (const Outcome& outcome : outcomes) {
      EXPECT_EQ(outcome.answers, wanted);
      EXPECT_EQ(outcome.failed_steps, 0);
    }
  }
}

TEST_F(DeviceRankTest, LoadsWhatItHasSlotsFor) {
  EmulatedRanks::Sizes sizes = sizes_;
  sizes.expert_slots = 6;
  EmulatedRanks ranks(config_, checkpoint_, {Holding(true, 0, 4)}, sizes);
  DeviceRank& rank = ranks.rank(0);
  const std::int64_t expert = DeviceExperts::Bytes(config_, 1);
  EXPECT_EQ(rank.LoadExperts({3, 4, 5})->bytes, 2 * expert);
  EXPECT_EQ(rank.LoadExperts({0, 5})->bytes, 0);
  const auto more = rank.LoadExperts({5, 6});
  EXPECT_EQ(more.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(MessageOf(more), HasSubstr("6 slots for experts, of which 0 are free"));
  rank.KeepExperts({0, 4, 9});
  EXPECT_EQ(rank.LoadExperts({0, 4, 6, 7, 8, 9})->bytes, 4 * expert);
  EXPECT_EQ(rank.LoadExperts({kExperts}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(DeviceRankTest, ARankWithoutSlotsHoldsNothing) {
  EmulatedRanks ranks(config_, checkpoint_, {Holding(true, 0, 0)}, sizes_);
  EXPECT_TRUE(ranks.rank(0).LoadExperts({}).ok());
  ranks.rank(0).KeepExperts({});
  const auto loaded = ranks.rank(0).LoadExperts({1});
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(loaded), HasSubstr("raise expert_slots"));
}

TEST_F(DeviceRankTest, AGpuThatCannotBeARankIsRefused) {
  class NobodyToOfferTo final : public ConductorLink {
    void Send(const StepOffer& /*offer*/) override {}
  };
  NobodyToOfferTo link;
  const auto open = [&](const DeviceRank::Options& options) {
    return DeviceRank::Open(OpenTestGpu(), config_, checkpoint_, link, options).status();
  };
  EXPECT_EQ(open({}).code(), absl::StatusCode::kInvalidArgument);
  const absl::Status small =
      open({.expert_slots = kExperts, .memory_bytes = DeviceExperts::Bytes(config_, kExperts)});
  EXPECT_EQ(small.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(MessageOf(small), HasSubstr("missing for 16 slots for experts"));
}

}  // namespace
}  // namespace sextant::cli
