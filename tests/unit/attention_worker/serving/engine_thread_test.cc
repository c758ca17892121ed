#include "attention_worker/serving/engine_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "tests/support/manual_clock.h"
#include "tests/unit/attention_worker/engine/engine_harness.h"
#include "tests/unit/attention_worker/serving/gated_model.h"
#include "tests/unit/attention_worker/serving/recording_listener.h"
#include "tests/unit/attention_worker/serving/scripted_wait.h"

namespace sextant {
namespace {

using Heard = RecordingListener::Heard;

constexpr std::int32_t kBlocks = 512;

GenerationRequest Request(std::uint32_t seed, std::size_t prompt, std::int64_t max_tokens) {
  return {.prompt_ids = SeededIds(seed, prompt),
          .sampling = {.seed = seed},
          .max_tokens = max_tokens,
          .stop_ids = {}};
}

class EngineThreadTest : public testing::Test {
 protected:
  EngineThreadTest()
      : cache_(MakeTagCache(4, kBlocks)),
        tagging_(*cache_),
        gate_(tagging_),
        engine_(gate_, *cache_,
                {.max_sequences = 16,
                 .max_context = 4096,
                 .vocab_size = TaggingModel::kVocab,
                 .banned_ids = {},
                 .prefix_cache = true}) {
    Start({});
  }
  ~EngineThreadTest() override { gate_.Open(); }

  void Start(EngineThread::Options options) {
    thread_ = nullptr;
    thread_ = std::make_unique<EngineThread>(engine_, std::move(options));
  }

  struct Port {
    std::shared_ptr<RecordingListener> listener = std::make_shared<RecordingListener>();
    std::shared_ptr<SequenceStream> stream;

    void Submit(std::uint64_t sequence, GenerationRequest request) const {
      EXPECT_TRUE(
          stream->TryPush(StartCommand{.sequence = sequence, .request = std::move(request)}));
    }
    void Cancel(std::uint64_t sequence) const {
      EXPECT_TRUE(stream->TryPush(CancelCommand{.sequence = sequence}));
    }
    void WaitForEnd(std::uint64_t sequence) const {
      EXPECT_TRUE(listener->WaitUntil(
          [sequence](const Heard& heard) { return heard.ended.count(sequence) > 0; }));
    }
  };
  Port Open() {
    Port port;
    auto stream = thread_->Open(port.listener);
    EXPECT_TRUE(stream.ok()) << stream.status();
    port.stream = *std::move(stream);
    return port;
  }

  std::unique_ptr<LatentCache> cache_;
  TaggingModel tagging_;
  GatedModel gate_;
  Engine engine_;
  std::unique_ptr<EngineThread> thread_;
};

TEST_F(EngineThreadTest, StreamsNumberTheirSequencesAsTheyLike) {
  const Port a = Open();
  const Port b = Open();
  a.Submit(7, Request(1, 9, 12));
  b.Submit(7, Request(2, 5, 8));
  a.WaitForEnd(7);
  b.WaitForEnd(7);
  EXPECT_EQ(a.listener->heard().ids[7], RunAlone(Request(1, 9, 12)).ids);
  EXPECT_EQ(b.listener->heard().ids[7], RunAlone(Request(2, 5, 8)).ids);
}

TEST_F(EngineThreadTest, AStepIsToldAtOnceForAllSequencesOfAStream) {
  gate_.Close();
  const Port port = Open();
  for (std::uint64_t i = 0; i < 5; ++i) port.Submit(i, Request(3, 4, 6));
  gate_.Open();
  for (std::uint64_t i = 0; i < 5; ++i) port.WaitForEnd(i);
  EXPECT_LE(port.listener->heard().calls, 6 + 1) << "the first may have started alone";
}

TEST_F(EngineThreadTest, ACancelledSequenceIsGoneBeforeTheNextStep) {
  gate_.Close();
  const Port port = Open();
  port.Submit(1, Request(1, 40, 1000));
  gate_.WaitForArrivals(1);
  port.Cancel(1);
  port.Cancel(99);
  gate_.LetPass(1);
  EXPECT_TRUE(thread_->WaitIdle(absl::Seconds(30)));
  EXPECT_EQ(gate_.arrivals(), 1) << "no second step";
  EXPECT_EQ(thread_->stats().free_blocks, kBlocks);
}

TEST_F(EngineThreadTest, AStreamThatBreaksTakesItsSequencesAlong) {
  gate_.Close();
  const Port broken = Open();
  const Port other = Open();
  broken.Submit(1, Request(1, 40, 1000));
  other.Submit(1, Request(2, 5, 3));
  gate_.WaitForArrivals(1);
  broken.stream->Abandon();
  gate_.Open();
  other.WaitForEnd(1);
  EXPECT_TRUE(thread_->WaitIdle(absl::Seconds(30)));
  EXPECT_EQ(thread_->stats().free_blocks, kBlocks);
  EXPECT_FALSE(broken.listener->heard().end.has_value()) << "nobody listens there";
}

TEST_F(EngineThreadTest, AStreamWhoseCommandsEndedEndsWithItsLastSequence) {
  const Port port = Open();
  port.Submit(1, Request(1, 5, 20));
  port.stream->EndCommands();
  EXPECT_TRUE(port.listener->WaitUntil([](const Heard& heard) { return heard.end.has_value(); }));
  EXPECT_TRUE(port.listener->heard().end->ok());
  EXPECT_EQ(port.listener->heard().ids[1].size(), 20U);
}

TEST_F(EngineThreadTest, ARequestThatIsWrongFailsAlone) {
  const Port port = Open();
  port.Submit(1, Request(1, 0, 5));
  port.Submit(2, Request(1, 5, 5));
  port.WaitForEnd(1);
  port.WaitForEnd(2);
  EXPECT_EQ(port.listener->heard().ended[1].code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(port.listener->heard().ended[2].ok());
}

TEST_F(EngineThreadTest, ANumberThatIsInUseEndsTheStreamAndNoOther) {
  gate_.Close();
  const Port port = Open();
  const Port other = Open();
  port.Submit(1, Request(1, 5, 1000));
  port.Submit(1, Request(1, 5, 1000));
  other.Submit(1, Request(2, 5, 5));
  gate_.Open();
  EXPECT_TRUE(port.listener->WaitUntil([](const Heard& heard) { return heard.end.has_value(); }));
  EXPECT_EQ(port.listener->heard().end->code(), absl::StatusCode::kInvalidArgument);
  other.WaitForEnd(1);
  EXPECT_TRUE(thread_->WaitIdle(absl::Seconds(30)));
  EXPECT_EQ(thread_->stats().free_blocks, kBlocks);
}

TEST_F(EngineThreadTest, AFullInboxIsToldWhenItHasRoom) {
  gate_.Close();
  const Port port = Open();
  port.Submit(0, Request(1, 5, 2));
  gate_.WaitForArrivals(1);  // the engine is busy and takes no command
  std::uint64_t sequence = 1;
  StreamCommand command = StartCommand{.sequence = sequence, .request = Request(1, 5, 2)};
  while (port.stream->TryPush(std::move(command))) {
    command = StartCommand{.sequence = ++sequence, .request = Request(1, 5, 2)};
  }
  EXPECT_EQ(sequence, SequenceStream::kMaxCommands + 1);
  EXPECT_EQ(port.listener->heard().rooms, 0);
  gate_.Open();
  EXPECT_TRUE(port.listener->WaitUntil([](const Heard& heard) { return heard.rooms == 1; }));
  EXPECT_TRUE(port.stream->TryPush(std::move(command))) << "what did not fit is still there";
  for (std::uint64_t i = 0; i <= sequence; ++i) port.WaitForEnd(i);
}

TEST_F(EngineThreadTest, AStepWithoutExpertsIsMadeAgain) {
  gate_.Close();
  const Port port = Open();
  port.Submit(1, Request(1, 5, 4));
  for (int i = 1; i <= 3; ++i) {
    gate_.WaitForArrivals(i);
    gate_.FailNext(absl::UnavailableError("nobody holds expert 3"));
    gate_.LetPass(1);
  }
  gate_.Open();
  port.WaitForEnd(1);
  EXPECT_EQ(port.listener->heard().ids[1], RunAlone(Request(1, 5, 4)).ids);
  EXPECT_EQ(thread_->stats().failed_steps, 3);
}

TEST_F(EngineThreadTest, AStepThatCannotBeMadeEndsWhatRanInIt) {
  gate_.Close();
  const Port port = Open();
  port.Submit(1, Request(1, 5, 4));
  gate_.WaitForArrivals(1);
  gate_.FailNext(absl::InternalError("a worker cannot compute"));
  gate_.Open();
  port.WaitForEnd(1);
  EXPECT_EQ(port.listener->heard().ended[1].code(), absl::StatusCode::kInternal);
  port.Submit(2, Request(1, 5, 4));
  port.WaitForEnd(2);
  EXPECT_TRUE(port.listener->heard().ended[2].ok());
}

TEST_F(EngineThreadTest, AStepThatFailsForGoodIsToldBeforeItsSequencesAre) {
  gate_.Close();
  std::weak_ptr<RecordingListener> listener;
  std::optional<bool> ended_before;
  Start({.on_failure = [&](const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    ended_before = listener.lock()->heard().ended.contains(1);
  }});
  const Port port = Open();
  listener = port.listener;
  port.Submit(1, Request(1, 5, 4));
  gate_.WaitForArrivals(1);
  gate_.FailNext(absl::UnavailableError("nobody holds expert 3"));
  gate_.LetPass(1);
  gate_.WaitForArrivals(2);
  EXPECT_EQ(ended_before, std::nullopt);  // that one is made again
  gate_.FailNext(absl::InternalError("the GPU is lost"));
  gate_.Open();
  port.WaitForEnd(1);
  EXPECT_EQ(ended_before, false);
}

TEST_F(EngineThreadTest, WithoutSequencesTheThreadIsWhereItsIdleWaitIs) {
  ScriptedWait wait;
  Start({.idle_wait = &wait, .on_step = {}});
  wait.AwaitWaits(3);  // comes back at once, as after a step of others
  wait.HoldUntilWoken();
  const Port port = Open();
  port.Submit(1, Request(1, 5, 4));
  port.WaitForEnd(1);
  EXPECT_EQ(port.listener->heard().ids[1], RunAlone(Request(1, 5, 4)).ids);
  port.Submit(2, Request(1, 5, 4));
  port.WaitForEnd(2);
  thread_ = nullptr;  // which wakes it, and before the wait
  EXPECT_EQ(wait.retries(), 0);
}

TEST_F(EngineThreadTest, ItsIdleWaitDecidesHowLongAFailedStepPauses) {
  ScriptedWait wait;
  wait.HoldUntilWoken();
  gate_.Close();
  Start({.retry_pause = absl::InfiniteDuration(), .idle_wait = &wait, .on_step = {}});
  const Port port = Open();
  port.Submit(1, Request(1, 5, 4));
  for (int i = 1; i <= 2; ++i) {
    gate_.WaitForArrivals(i);
    gate_.FailNext(absl::UnavailableError("woken without an epoch"));
    gate_.LetPass(1);
  }
  gate_.Open();
  port.WaitForEnd(1);
  EXPECT_EQ(wait.retries(), 2);
  thread_ = nullptr;
}

TEST_F(EngineThreadTest, AnIdleWaitThatFailsIsToldAsAStepIs) {
  ScriptedWait wait;
  wait.FailNext(absl::InternalError("the GPU is lost"));
  absl::Status told;
  Start({.idle_wait = &wait, .on_step = {}, .on_failure = [&told](const absl::Status& status) {
           told = status;
         }});
  wait.AwaitWaits(2);
  thread_ = nullptr;
  EXPECT_EQ(told, absl::InternalError("the GPU is lost"));
  EXPECT_EQ(wait.retries(), 1);
}

TEST_F(EngineThreadTest, DrainingRefusesWhatIsNewAndLetsTheRestEnd) {
  gate_.Close();
  const Port port = Open();
  port.Submit(1, Request(1, 5, 6));
  gate_.WaitForArrivals(1);
  thread_->BeginDrain();
  port.Submit(2, Request(1, 5, 6));
  EXPECT_EQ(thread_->Open(std::make_shared<RecordingListener>()).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_FALSE(thread_->WaitIdle(absl::Milliseconds(1)));
  gate_.Open();
  EXPECT_TRUE(thread_->WaitIdle(absl::Seconds(30)));
  port.WaitForEnd(1);
  port.WaitForEnd(2);
  EXPECT_EQ(port.listener->heard().ids[1].size(), 6U);
  EXPECT_EQ(port.listener->heard().ended[2].code(), absl::StatusCode::kUnavailable);
  thread_->Stop();
  EXPECT_EQ(port.listener->heard().end->code(), absl::StatusCode::kUnavailable);
}

TEST_F(EngineThreadTest, StoppingTellsStreamsAndFreesEverything) {
  const Port port = Open();
  port.Submit(1, Request(1, 40, 1900));
  EXPECT_TRUE(port.listener->WaitUntil([](const Heard& heard) { return heard.calls > 2; }));
  thread_->Stop();
  EXPECT_EQ(port.listener->heard().end->code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(cache_->pool().num_free(), kBlocks);
}

TEST_F(EngineThreadTest, NoMoreStreamsThanAllowedAndAnEndedOneMakesRoom) {
  Start({.max_streams = 2, .on_step = {}});
  const Port first = Open();
  const Port second = Open();
  EXPECT_EQ(thread_->Open(std::make_shared<RecordingListener>()).status().code(),
            absl::StatusCode::kResourceExhausted);
  first.stream->EndCommands();
  EXPECT_TRUE(first.listener->WaitUntil([](const Heard& heard) { return heard.end.has_value(); }));
  absl::StatusOr<std::shared_ptr<SequenceStream>> third = absl::UnknownError("");
  for (int i = 0; i < 3000 && !third.ok(); ++i) {
    third = thread_->Open(std::make_shared<RecordingListener>());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(third.ok()) << third.status();
}

TEST_F(EngineThreadTest, WorkThatDoesNotMoveIsSeen) {
  ManualClock clock;
  Start({.clock = &clock, .on_step = {}});
  gate_.Close();
  EXPECT_TRUE(thread_->Progressing(absl::Seconds(5)));
  clock.Advance(absl::Hours(1));
  EXPECT_TRUE(thread_->Progressing(absl::Seconds(5))) << "nothing is to be done";
  const Port port = Open();
  port.Submit(1, Request(1, 5, 4));
  gate_.WaitForArrivals(1);
  EXPECT_TRUE(thread_->Progressing(absl::Seconds(5)));
  clock.Advance(absl::Seconds(6));
  EXPECT_FALSE(thread_->Progressing(absl::Seconds(5)));
  gate_.Open();
  port.WaitForEnd(1);
  EXPECT_TRUE(thread_->WaitIdle(absl::Seconds(30)));
  EXPECT_TRUE(thread_->Progressing(absl::Seconds(5)));
  thread_ = nullptr;  // before the clock
}

TEST_F(EngineThreadTest, WorkThatWaitsForOthersMoves) {
  ManualClock clock;
  ScriptedWait wait;
  wait.HoldUntilWoken();
  Start({.clock = &clock, .idle_wait = &wait, .on_step = {}});
  gate_.Close();
  const Port port = Open();
  port.Submit(1, Request(1, 5, 4));
  gate_.WaitForArrivals(1);
  clock.Advance(absl::Hours(1));
  EXPECT_FALSE(thread_->Progressing(absl::Seconds(5)));
  wait.SetWaitsForOthers(true);
  EXPECT_TRUE(thread_->Progressing(absl::Seconds(5)));
  gate_.Open();
  port.WaitForEnd(1);
  thread_ = nullptr;
}

TEST_F(EngineThreadTest, ManyStreamsFromManyThreadsGetWhatTheyGetAlone) {
  std::vector<std::vector<std::int32_t>> expected;
  for (std::uint32_t i = 0; i < 6; ++i) expected.push_back(RunAlone(Request(i, 3 + i, 10)).ids);
  const auto serve = [&](std::uint64_t thread) {
    const Port port = Open();
    for (std::uint64_t i = 0; i < 24; ++i) {
      port.Submit(i, Request(static_cast<std::uint32_t>(i % 6), 3 + i % 6, 10));
      if (i % 8 == thread) port.Cancel(i);
    }
    for (std::uint64_t i = 0; i < 24; ++i) {
      if (i % 8 != thread) {
        port.WaitForEnd(i);
        EXPECT_EQ(port.listener->heard().ids[i], expected[i % 6]);
      }
    }
    if (thread % 2 == 0) port.stream->Abandon();
  };
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 8; ++i) threads.emplace_back(serve, i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(thread_->WaitIdle(absl::Seconds(30)));
  thread_->Stop();
  EXPECT_EQ(cache_->pool().num_free(), kBlocks);
}

}  // namespace
}  // namespace sextant
