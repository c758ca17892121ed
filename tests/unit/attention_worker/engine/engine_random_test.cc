// Seeded schedules of submissions, cancellations and failures on caches that are too small, and
// what must hold whatever happens.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "tests/unit/attention_worker/engine/engine_harness.h"

namespace sextant {
namespace {

class RandomSchedule {
 public:
  explicit RandomSchedule(std::uint32_t seed) : random_(seed) {
    options_.block_tokens = Pick(1, 6);
    options_.num_blocks =
        static_cast<std::int32_t>((kLongest / options_.block_tokens) + Pick(1, 40));
    constexpr std::int64_t kBudgets[] = {1, 7, 64, 512};
    options_.max_batch_tokens = kBudgets[Pick(0, 3)];
    options_.max_sequences = Pick(1, 12);
    options_.prefix_cache = Pick(0, 3) != 0;
    harness_ = std::make_unique<EngineHarness>(options_);
    harness_->model().set_looks_ahead(Pick(0, 1) == 1);
  }

  void Run() {
    for (int action = 0; action < 150; ++action) {
      const std::int64_t dice = Pick(0, 9);
      if (dice < 4 && requests_.size() < 40) {
        Submit();
      } else if (dice == 4) {
        Cancel();
      } else if (dice == 5) {
        FailStep();
      } else {
        harness_->Step();
      }
      CheckNow();
    }
    harness_->RunAll();
    CheckEnd();
  }

  [[nodiscard]] SchedulerCounts counts() const { return harness_->engine().stats().rows; }
  [[nodiscard]] std::int64_t steps_ahead() const { return harness_->model().steps_ahead(); }

 private:
  static constexpr std::int64_t kLongest = 70;  // prompt and generated tokens of a request

  std::int64_t Pick(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }

  // Of a few texts, so that heads are shared; some are begun already.
  GenerationRequest RandomRequest() {
    const std::int64_t prompt = Pick(1, 45);
    GenerationRequest request{
        .prompt_ids =
            SeededIds(static_cast<std::uint32_t>(Pick(0, 3)), static_cast<std::size_t>(prompt)),
        .sampling = {.logprobs = 0, .seed = static_cast<std::uint64_t>(Pick(0, 5))},
        .max_tokens = Pick(1, kLongest - prompt),
        .stop_ids = {static_cast<std::int32_t>(Pick(0, TaggingModel::kVocab - 1))}};
    request.priority = static_cast<std::int32_t>(Pick(-1, 1));
    if (Pick(0, 5) == 0) request.sampling.frequency_penalty = 1.5F;
    return request;
  }

  void Submit() {
    GenerationRequest request = RandomRequest();
    EngineOutput expected = RunAlone(request);
    if (Pick(0, 3) == 0) {
      const auto cut = Pick(0, static_cast<std::int64_t>(expected.ids.size()) - 1);
      const auto middle = expected.ids.begin() + cut;
      request.generated_ids.assign(expected.ids.begin(), middle);
      expected.ids.erase(expected.ids.begin(), middle);
      expected.logprobs.erase(expected.logprobs.begin(), expected.logprobs.begin() + cut);
    }
    requests_[harness_->Submit(std::move(request))] = std::move(expected);
  }

  void Cancel() {
    if (requests_.empty()) return;
    const auto which =
        std::next(requests_.begin(), Pick(0, static_cast<std::int64_t>(requests_.size()) - 1));
    if (harness_->Output(which->first).finish.has_value()) return;
    const std::int32_t before = harness_->pool().num_free();
    harness_->engine().Cancel(which->first);
    EXPECT_GE(harness_->pool().num_free(), before);
    cancelled_[which->first] = harness_->Output(which->first).ids.size();
    requests_.erase(which);
  }

  void FailStep() {
    if (harness_->engine().idle()) return;
    if (harness_->model().looks_ahead()) return FailSampling();
    harness_->model().FailNext(1, absl::UnavailableError("nobody holds expert 3"));
    EXPECT_FALSE(harness_->engine().Step().ok());
  }

  // Of this step, if it is one whose tokens are waited for; the forward pass is computed already.
  void FailSampling() {
    harness_->model().FailNextSampling(absl::InternalError("the GPU has failed"));
    const auto events = harness_->engine().Step();
    if (events.ok()) harness_->Record(*events);
    harness_->model().FailNextSampling(absl::OkStatus());
  }

  void CheckNow() const {
    const EngineStats stats = harness_->engine().stats();
    EXPECT_LE(stats.running, options_.max_sequences);
    EXPECT_EQ(stats.free_blocks, harness_->pool().num_free());
    if (stats.running == 0) {
      EXPECT_EQ(stats.free_blocks, options_.num_blocks) << "nobody runs, and blocks are held";
    }
    if (!harness_->model().steps().empty()) {
      EXPECT_LE(harness_->model().steps().back().rows, options_.max_batch_tokens);
    }
    for (const auto& [sequence, tokens] : cancelled_) {
      EXPECT_EQ(harness_->Output(sequence).ids.size(), tokens) << "a token after it was cancelled";
    }
  }

  void CheckEnd() const {
    for (const auto& [sequence, expected] : requests_) {
      const EngineOutput output = harness_->Output(sequence);
      EXPECT_EQ(output.ids, expected.ids) << "sequence " << sequence;
      EXPECT_EQ(output.logprobs, expected.logprobs) << "sequence " << sequence;
      EXPECT_EQ(output.finish, expected.finish) << "sequence " << sequence;
    }
    EXPECT_EQ(harness_->pool().num_free(), options_.num_blocks);
  }

  std::mt19937 random_;
  EngineHarnessOptions options_;
  std::unique_ptr<EngineHarness> harness_;
  std::map<std::int64_t, EngineOutput> requests_;  // what each must get
  std::map<std::int64_t, std::size_t> cancelled_;  // tokens that it had then
};

TEST(EngineRandomTest, EveryScheduleGivesEachSequenceItsOwnTokens) {
  std::int64_t preemptions = 0;
  std::int64_t cached = 0;
  std::int64_t ahead = 0;
  for (std::uint32_t seed = 0; seed < 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomSchedule schedule(seed);
    schedule.Run();
    preemptions += schedule.counts().preemptions;
    cached += schedule.counts().cached_rows;
    ahead += schedule.steps_ahead();
  }
  EXPECT_GT(preemptions, 50) << "the caches are meant to be too small";
  EXPECT_GT(cached, 500) << "heads are meant to be shared";
  EXPECT_GT(ahead, 500) << "half of the models are meant to look ahead";
}

}  // namespace
}  // namespace sextant
