// Engines on threads of their own over one model on several emulated GPUs, as workers run them:
// streams come, are cancelled and end while other ranks work, are idle, die or leave, and get what
// one GPU alone would give them.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "attention_worker/engine/engine.h"
#include "attention_worker/serving/engine_thread.h"
#include "attention_worker/serving/rank_wait.h"
#include "cli/engine/device_model.h"
#include "tests/golden/golden_model.h"
#include "tests/support/device/test_gpu.h"
#include "tests/support/fed_sequence.h"
#include "tests/unit/attention_worker/serving/recording_listener.h"
#include "tests/unit/cli/engine/emulated_ranks.h"

namespace sextant::cli {
namespace {

using Ids = std::vector<std::int32_t>;
using Heard = RecordingListener::Heard;

constexpr std::int32_t kExperts = 16;
constexpr std::int32_t kIds = 254;
constexpr EmulatedRanks::Sizes kSizes{
    .max_batch_tokens = 20, .max_sequences = 16, .cache_tokens = 2048};

RankRole Holding(bool attends, std::int32_t begin, std::int32_t end) {
  RankRole role{.attends = attends, .experts = Ids(static_cast<std::size_t>(end - begin))};
  std::iota(role.experts.begin(), role.experts.end(), begin);
  return role;
}

GenerationRequest Request(std::uint32_t seed, std::int64_t max_tokens) {
  return {.prompt_ids = RandomIds(3 + 5 * seed % 23, seed, kIds),
          .sampling = {.temperature = 0.9F, .seed = 70 + seed},
          .max_tokens = max_tokens,
          .stop_ids = {}};
}

// An engine on its thread, and a stream to it.
class Served {
 public:
  // `exchange` is null where the model is on one GPU.
  Served(StepModel& model, LatentCache& cache, const ModelConfig& config, RankExchange* exchange)
      : engine_(model, cache,
                {.max_batch_tokens = kSizes.max_batch_tokens,
                 .max_sequences = kSizes.max_sequences,
                 .max_context = config.max_position_embeddings,
                 .vocab_size = config.vocab_size,
                 .banned_ids = {254, 255},
                 .prefix_cache = true}) {
    if (exchange != nullptr) wait_.emplace(*exchange);
    thread_.emplace(engine_,
                    EngineThread::Options{
                        .idle_wait = wait_.has_value() ? &*wait_ : nullptr,
                        .on_failure = [](const absl::Status& status) { ADD_FAILURE() << status; }});
    auto stream = thread_->Open(listener_);
    EXPECT_TRUE(stream.ok()) << stream.status();
    stream_ = *std::move(stream);
  }
  Served(EmulatedRanks& ranks, std::size_t index, const ModelConfig& config)
      : Served(ranks.rank(index).transformer(), ranks.rank(index).cache(), config,
               &ranks.rank(index).exchange()) {}

  void Ask(std::uint64_t sequence, GenerationRequest request) {
    EXPECT_TRUE(
        stream_->TryPush(StartCommand{.sequence = sequence, .request = std::move(request)}));
  }
  void Cancel(std::uint64_t sequence) {
    EXPECT_TRUE(stream_->TryPush(CancelCommand{.sequence = sequence}));
  }
  // Once it has ended.
  [[nodiscard]] Ids AnswerTo(std::uint64_t sequence) {
    EXPECT_TRUE(
        WaitUntil([sequence](const Heard& heard) { return heard.ended.contains(sequence); }));
    EXPECT_TRUE(listener_->heard().ended[sequence].ok());
    return listener_->heard().ids[sequence];
  }
  // Those that there are, once there are so many.
  [[nodiscard]] Ids FirstOf(std::uint64_t sequence, std::size_t tokens) {
    EXPECT_TRUE(WaitUntil([sequence, tokens](const Heard& heard) {
      const auto found = heard.ids.find(sequence);
      return found != heard.ids.end() && found->second.size() >= tokens;
    }));
    return listener_->heard().ids[sequence];
  }
  [[nodiscard]] bool IsIdle() { return thread_->WaitIdle(kPatience * absl::Seconds(30)); }
  // Until the engine has so many sequences.
  void WaitForSequences(std::int64_t count) const {
    while (thread_->stats().waiting + thread_->stats().running != count) {
      std::this_thread::yield();
    }
  }
  // And what the stream was told.
  [[nodiscard]] absl::Status Stop() {
    thread_->Stop();
    return listener_->heard().end.value_or(absl::UnknownError("nothing"));
  }

 private:
  // An emulated step takes its time, above all on a machine that has other work.
  static constexpr int kPatience = 10;  // times that of a listener
  [[nodiscard]] bool WaitUntil(const std::function<bool(const Heard&)>& condition) {
    for (int i = 0; i < kPatience; ++i) {
      if (listener_->WaitUntil(condition)) return true;
    }
    return false;
  }

  std::optional<RankWait> wait_;
  Engine engine_;
  std::shared_ptr<RecordingListener> listener_ = std::make_shared<RecordingListener>();
  std::shared_ptr<SequenceStream> stream_;
  std::optional<EngineThread> thread_;
};

class RankEnginesTest : public testing::Test {
 protected:
  // What one GPU answers.
  [[nodiscard]] std::vector<Ids> Alone(const std::vector<GenerationRequest>& requests) const {
    auto model = DeviceModel::Open(OpenTestGpu(), config_, &checkpoint_,
                                   {.cache_tokens = kSizes.cache_tokens,
                                    .max_batch_tokens = kSizes.max_batch_tokens,
                                    .max_sequences = kSizes.max_sequences});
    EXPECT_TRUE(model.ok()) << model.status();
    Served served((*model)->step_model(), (*model)->cache(), config_, nullptr);
    std::uint64_t sequence = 0;
    for (const GenerationRequest& request : requests) served.Ask(sequence++, request);
    std::vector<Ids> answers;
    for (std::uint64_t i = 0; i < sequence; ++i) answers.push_back(served.AnswerTo(i));
    return answers;
  }

  static bool IsBeginOf(const Ids& part, const Ids& whole) {
    return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
  }

  const std::string folder_ = GoldenModelFolder("lite");
  const ModelConfig config_ = *ReadModelConfig(folder_);
  const Checkpoint checkpoint_ = *Checkpoint::Open(folder_);
};

TEST_F(RankEnginesTest, StreamsComeAndGoWhileOtherRanksWorkOrAreIdle) {
  const std::vector<GenerationRequest> asked = {Request(0, 4), Request(1, 400), Request(2, 5),
                                                Request(3, 6), Request(4, 3),   Request(5, 3)};
  std::vector<GenerationRequest> finished = asked;
  finished[1].max_tokens = 12;
  const std::vector<Ids> wanted = Alone(finished);
  EmulatedRanks ranks(config_, checkpoint_,
                      {Holding(true, 0, 8), Holding(true, 8, kExperts), Holding(false, 4, 12)},
                      kSizes);
  ranks.Enter(1, {0, 1, 2});
  ranks.Run(2, [&ranks] { ranks.Serve(2); });
  Served a(ranks, 0, config_);
  Served b(ranks, 1, config_);

  a.Ask(0, asked[0]);
  EXPECT_EQ(a.AnswerTo(0), wanted[0]);  // b is idle, and takes part

  a.Ask(1, asked[1]);  // far longer than all the others together
  const Ids first = a.FirstOf(1, 1);
  b.Ask(2, asked[2]);
  a.Ask(3, asked[3]);
  EXPECT_EQ(b.AnswerTo(2), wanted[2]);
  a.Cancel(1);
  EXPECT_EQ(a.AnswerTo(3), wanted[3]);
  EXPECT_TRUE(a.IsIdle());
  EXPECT_TRUE(IsBeginOf(first, wanted[1]));
  EXPECT_LT(a.FirstOf(1, 1).size(), 400U) << "it was not cancelled";

  b.Ask(4, asked[4]);  // now a is the idle one
  EXPECT_EQ(b.AnswerTo(4), wanted[4]);

  ranks.Enter(2, {0, 1});
  ranks.Switch(1, 2);
  for (std::size_t index = 0; index < 3; ++index) {
    EXPECT_TRUE(ranks.rank(index).exchange().AwaitEntered(2)) << index;
  }
  a.Ask(5, asked[5]);
  EXPECT_EQ(a.AnswerTo(5), wanted[5]);
  EXPECT_TRUE(a.IsIdle() && b.IsIdle());
  ranks.Stop();
}

TEST_F(RankEnginesTest, WithoutAnEpochStreamsAreStillServed) {
  const std::vector<GenerationRequest> asked = {Request(0, 4), Request(1, 4)};
  const std::vector<Ids> wanted = Alone(asked);
  EmulatedRanks ranks(config_, checkpoint_, {Holding(true, 0, kExperts)}, kSizes);
  Served served(ranks, 0, config_);
  served.Ask(0, asked[0]);
  served.Ask(1, asked[1]);
  served.WaitForSequences(2);
  served.Cancel(0);
  served.Cancel(1);
  EXPECT_TRUE(served.IsIdle());

  served.Ask(2, asked[0]);
  ranks.Enter(1, {0});
  EXPECT_EQ(served.AnswerTo(2), wanted[0]);
  served.Ask(3, asked[1]);
  EXPECT_EQ(served.AnswerTo(3), wanted[1]);

  // A rank at the gate can be stopped, with and without sequences.
  ranks.EndBefore(2, {0});
  served.Ask(4, asked[0]);
  served.WaitForSequences(1);
  EXPECT_TRUE(absl::IsUnavailable(served.Stop()));
}

TEST_F(RankEnginesTest, ADeathWhileEnginesServeChangesNoByte) {
  const std::vector<GenerationRequest> asked = {Request(0, 6), Request(1, 7), Request(2, 8)};
  const std::vector<Ids> wanted = Alone(asked);
  EmulatedRanks ranks(
      config_, checkpoint_,
      {Holding(true, 0, 8), Holding(true, 8, kExperts), Holding(false, 0, kExperts)}, kSizes);
  ranks.Enter(1, {0, 1, 2});
  constexpr std::int64_t kLived = 3;
  ranks.Run(2, [&ranks] { ranks.Serve(2, kLived); });  // and is not there for the next one
  Served a(ranks, 0, config_);
  Served b(ranks, 1, config_);
  a.Ask(0, asked[0]);
  b.Ask(1, asked[1]);
  a.Ask(2, asked[2]);
  ranks.WaitForStep(kLived + 1);
  ranks.EndBefore(2, {0, 1});
  ranks.Enter(2, {0, 1});
  EXPECT_EQ(a.AnswerTo(0), wanted[0]);
  EXPECT_EQ(b.AnswerTo(1), wanted[1]);
  EXPECT_EQ(a.AnswerTo(2), wanted[2]);
  EXPECT_TRUE(ranks.rank(0).exchange().AwaitEntered(2));
  ranks.Stop();
}

}  // namespace
}  // namespace sextant::cli
