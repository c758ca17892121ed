// One model on several emulated GPUs, in every form, gives the bytes of one.
#include "cli/engine/device_rank.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "attention_worker/engine/engine.h"
#include "cli/engine/device_model.h"
#include "tests/golden/golden_model.h"
#include "tests/support/device/test_gpu.h"
#include "tests/support/fed_sequence.h"
#include "tests/unit/cli/engine/emulated_ranks.h"

namespace sextant::cli {
namespace {

using Ids = std::vector<std::int32_t>;
using Answers = std::vector<Ids>;

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

// Ends when so many have called Done.
class Finish {
 public:
  explicit Finish(int count) : left_(count) {}
  void Done() {
    const std::lock_guard lock(mutex_);
    if (--left_ == 0) changed_.notify_all();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int left_;
};

class DeviceRankTest : public testing::Test {
 protected:
  [[nodiscard]] Engine MakeEngine(StepModel& model, LatentCache& cache) const {
    return Engine(model, cache,
                  {.max_batch_tokens = 20,
                   .max_sequences = 8,
                   .max_context = config_.max_position_embeddings,
                   .vocab_size = config_.vocab_size,
                   .banned_ids = {254, 255},
                   .prefix_cache = true});
  }

  // Every token of the requests; steps that fail are taken again.
  Answers RunAll(Engine engine, const std::vector<GenerationRequest>& requests,
                 std::int64_t* failed_steps = nullptr) const {
    Answers answers(requests.size());
    for (const GenerationRequest& request : requests) EXPECT_TRUE(engine.Submit(request).ok());
    while (!engine.idle()) {
      const auto events = engine.Step();
      if (absl::IsUnavailable(events.status()) || absl::IsAborted(events.status())) continue;
      EXPECT_TRUE(events.ok()) << events.status();
      if (!events.ok()) break;
      for (const TokenEvent& event : *events) {
        EXPECT_TRUE(event.token.ok()) << event.token.status();
        if (event.token.ok()) {
          answers[static_cast<std::size_t>(event.sequence)].push_back(event.token->id);
        }
      }
    }
    if (failed_steps != nullptr) *failed_steps = engine.stats().failed_steps;
    return answers;
  }

  // On one GPU.
  [[nodiscard]] Answers Alone(const std::vector<GenerationRequest>& requests) const {
    auto model =
        DeviceModel::Open(OpenTestGpu(), config_, &checkpoint_,
                          {.cache_tokens = 1024, .max_batch_tokens = 20, .max_sequences = 8});
    EXPECT_TRUE(model.ok()) << model.status();
    return RunAll(MakeEngine((*model)->step_model(), (*model)->cache()), requests);
  }

  // Every rank that attends answers its part of the requests; all others serve.
  [[nodiscard]] Answers Together(EmulatedRanks& ranks, const std::vector<RankRole>& roles,
                                 const std::vector<GenerationRequest>& requests) const {
    std::vector<std::size_t> all(roles.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    ranks.Enter(1, all);
    const auto attending =
        std::count_if(roles.begin(), roles.end(), [](const RankRole& r) { return r.attends; });
    Finish finish(static_cast<int>(attending));
    Answers answers(requests.size());
    std::size_t part = 0;
    for (std::size_t index = 0; index < roles.size(); ++index) {
      if (!roles[index].attends) {
        ranks.Run(index, [&ranks, index] { ranks.Serve(index); });
        continue;
      }
      ranks.Run(index, [&, index, part] {
        std::vector<std::size_t> numbers;
        std::vector<GenerationRequest> own;
        for (std::size_t i = part; i < requests.size(); i += static_cast<std::size_t>(attending)) {
          numbers.push_back(i);
          own.push_back(requests[i]);
        }
        DeviceRank& rank = ranks.rank(index);
        Answers given = RunAll(MakeEngine(rank.transformer(), rank.cache()), own);
        for (std::size_t i = 0; i < numbers.size(); ++i) answers[numbers[i]] = std::move(given[i]);
        finish.Done();
        ranks.Serve(index);
      });
      ++part;
    }
    finish.Wait();
    ranks.Stop();
    return answers;
  }

  void ExpectOneGpusBytes(const std::vector<RankRole>& roles, std::uint32_t requests) {
    const std::vector<GenerationRequest> asked = Requests(requests, 4);
    EmulatedRanks ranks(config_, checkpoint_, roles, {});
    EXPECT_EQ(Together(ranks, roles, asked), Alone(asked));
    EXPECT_GT(ranks.exact_steps(), 0);  // prompts
    EXPECT_GT(ranks.slot_steps(), 0);
  }

  const std::string folder_ = GoldenModelFolder("lite");
  const ModelConfig config_ = *ReadModelConfig(folder_);
  const Checkpoint checkpoint_ = *Checkpoint::Open(folder_);
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

// One rank holds nearly all experts: rows of a few sequences are more than its slots have room for.
TEST_F(DeviceRankTest, WhatDoesNotFitItsSlotsIsTakenAgain) {
  const std::vector<RankRole> roles = {Holding(true, 0, 13), Holding(false, 13, 14),
                                       Holding(false, 14, 15), Holding(false, 15, kExperts)};
  const std::vector<GenerationRequest> asked = Requests(8, 4);
  EmulatedRanks ranks(config_, checkpoint_, roles, {});
  EXPECT_EQ(Together(ranks, roles, asked), Alone(asked));
}

TEST_F(DeviceRankTest, ADeathInAStepChangesNoByte) {
  const std::vector<RankRole> roles = {Holding(true, 0, 0), Holding(false, 0, kExperts),
                                       Holding(false, 0, kExperts)};
  const std::vector<GenerationRequest> asked = Requests(3, 6);
  const Answers wanted = Alone(asked);
  for (const std::int64_t steps : {0, 3}) {
    SCOPED_TRACE(steps);
    EmulatedRanks ranks(config_, checkpoint_, roles, {});
    ranks.Enter(1, {0, 1, 2});
    Finish finish(1);
    Finish death(1);
    Answers answers;
    std::int64_t failed_steps = 0;
    ranks.Run(0, [&] {
      DeviceRank& rank = ranks.rank(0);
      answers = RunAll(MakeEngine(rank.transformer(), rank.cache()), asked, &failed_steps);
      finish.Done();
      ranks.Serve(0);
    });
    ranks.Run(1, [&] { ranks.Serve(1); });
    ranks.Run(2, [&] {
      ranks.Serve(2, steps);
      death.Done();  // and is not there for the next one
    });
    death.Wait();
    ranks.EndBefore(2, {0, 1});
    ranks.Enter(2, {0, 1});
    finish.Wait();
    ranks.Stop();
    ranks.EndBefore(2, {2});  // whoever is dead aborts nothing; its memory goes here
    EXPECT_EQ(answers, wanted);
  }
}

}  // namespace
}  // namespace sextant::cli
