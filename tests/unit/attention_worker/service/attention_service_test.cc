// The service over gRPC, on a tiny golden model whose experts are in this process.
#include "attention_worker/service/attention_service.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/engine/local_engine.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "tests/golden/golden_model.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/attention_worker/service/start_sequence.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

using Ids = std::vector<std::int32_t>;

constexpr std::int64_t kCacheTokens = 1024;

// A router's end of a Run stream; reads wait.
class Router {
 public:
  explicit Router(const std::string& target, Ids banned = {}, bool configure = true)
      : stub_(v1::Attention::NewStub(OpenChannel(target))) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    stream_ = stub_->Run(&context_);
    if (!configure) return;
    v1::AttentionCommand command;
    command.mutable_configure()->mutable_banned_ids()->Add(banned.begin(), banned.end());
    Send(command);
  }
  ~Router() { context_.TryCancel(); }

  void Send(const v1::AttentionCommand& command) { stream_->Write(command); }
  void Start(v1::StartSequence start) {
    v1::AttentionCommand command;
    *command.mutable_start() = std::move(start);
    Send(command);
  }
  void Cancel(std::uint64_t sequence) {
    v1::AttentionCommand command;
    command.mutable_cancel()->set_sequence(sequence);
    Send(command);
  }
  void EndCommands() { stream_->WritesDone(); }
  void Break() { context_.TryCancel(); }

  [[nodiscard]] bool Read(v1::AttentionEvents& events) {
    events.Clear();
    return stream_->Read(&events);
  }
  // Until every one of `sequences` has ended.
  std::map<std::uint64_t, std::vector<v1::SequenceEvent>> ReadUntilEnded(
      std::set<std::uint64_t> sequences) {
    std::map<std::uint64_t, std::vector<v1::SequenceEvent>> all;
    v1::AttentionEvents events;
    while (!sequences.empty() && Read(events)) {
      EXPECT_TRUE(events.has_load());
      for (const v1::SequenceEvent& event : events.events()) {
        all[event.sequence()].push_back(event);
        if (event.has_failure() || event.token().finished()) sequences.erase(event.sequence());
      }
    }
    EXPECT_TRUE(sequences.empty()) << "the stream ended before its sequences";
    return all;
  }
  grpc::Status ReadToEnd() {
    v1::AttentionEvents events;
    while (Read(events)) {
    }
    return stream_->Finish();
  }

 private:
  std::unique_ptr<v1::Attention::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AttentionCommand, v1::AttentionEvents>> stream_;
};

Ids IdsOf(const std::vector<v1::SequenceEvent>& events) {
  Ids ids;
  for (const v1::SequenceEvent& event : events) ids.push_back(event.token().id());
  return ids;
}

class AttentionServiceTest : public testing::Test {
 protected:
  AttentionServiceTest() {
    auto local = cli::LocalEngine::Open(GoldenModelFolder("plain"),
                                        {.threads = 1, .cache_tokens = kCacheTokens});
    EXPECT_TRUE(local.ok()) << local.status();
    local_ = *std::move(local);
    engine_ = std::make_unique<Engine>(local_->step_model(), local_->cache(),
                                       Engine::Options{.max_batch_tokens = 64,
                                                       .max_sequences = 8,
                                                       .max_context = 1024,
                                                       .vocab_size = local_->model().vocab_size,
                                                       .banned_ids = {},
                                                       .prefix_cache = true});
    thread_ = std::make_unique<EngineThread>(*engine_, EngineThread::Options{.on_step = {}});
    service_ = std::make_unique<AttentionService>(local_->model().vocab_size);
    service_->Use(*thread_);
    auto server = RpcServer::Start(
        {.listen = {"unix:" + dir_.path() + "/a.sock"}, .services = {service_.get()}});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  ~AttentionServiceTest() override {
    thread_->Stop();
    server_->Shutdown(absl::ZeroDuration());
  }

  [[nodiscard]] const std::string& target() const { return server_->targets()[0]; }

  // What the engine gives without the service.
  Ids RunAlone(const Ids& prompt, std::int64_t max_tokens, std::uint64_t seed) {
    Router router(target());
    router.Start(MakeStart(1, prompt, max_tokens, seed));
    return IdsOf(router.ReadUntilEnded({1})[1]);
  }

  TempDir dir_;
  std::unique_ptr<cli::LocalEngine> local_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<EngineThread> thread_;
  std::unique_ptr<AttentionService> service_;
  std::unique_ptr<RpcServer> server_;
};

TEST_F(AttentionServiceTest, AConfiguredStreamIsAnsweredWithTheLoadAtOnce) {
  Router router(target(), {250, 251});
  v1::AttentionEvents events;
  ASSERT_TRUE(router.Read(events));
  EXPECT_EQ(events.events_size(), 0);
  EXPECT_EQ(events.load().running(), 0);
  EXPECT_EQ(events.load().free_blocks(), kCacheTokens / 64);
}

TEST_F(AttentionServiceTest, SequencesOfManyRoutersGetWhatTheyGetAlone) {
  std::vector<Ids> expected;
  for (std::uint64_t i = 0; i < 4; ++i) {
    expected.push_back(RunAlone(Ids(3 + 5 * i, static_cast<std::int32_t>(i)), 12, i));
  }
  std::vector<std::unique_ptr<Router>> routers;
  for (int r = 0; r < 3; ++r) {
    routers.push_back(std::make_unique<Router>(target()));
    for (std::uint64_t i = 0; i < 4; ++i) {
      routers.back()->Start(MakeStart(i, Ids(3 + 5 * i, static_cast<std::int32_t>(i)), 12, i));
    }
  }
  for (const auto& router : routers) {
    auto events = router->ReadUntilEnded({0, 1, 2, 3});
    for (std::uint64_t i = 0; i < 4; ++i) EXPECT_EQ(IdsOf(events[i]), expected[i]);
  }
}

TEST_F(AttentionServiceTest, AReplayGoesOnWithTheNextToken) {
  const Ids prompt = {9, 8, 7};
  const Ids whole = RunAlone(prompt, 20, 3);
  Router router(target());
  v1::StartSequence start = MakeStart(1, prompt, 20, 3);
  start.mutable_generated_ids()->Add(whole.begin(), whole.begin() + 13);
  router.Start(start);
  EXPECT_EQ(IdsOf(router.ReadUntilEnded({1})[1]), Ids(whole.begin() + 13, whole.end()));
}

TEST_F(AttentionServiceTest, CachedPromptTokensComeWithTheFirstEvent) {
  const Ids prompt(150, 5);
  static_cast<void>(RunAlone(prompt, 1, 1));
  Router router(target());
  router.Start(MakeStart(1, prompt, 3, 1));
  const auto events = router.ReadUntilEnded({1})[1];
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].cached_prompt_tokens(), 128);
  EXPECT_EQ(events[1].cached_prompt_tokens(), 0);
}

TEST_F(AttentionServiceTest, BannedIdsOfAStreamNeverComeOut) {
  v1::StartSequence start = MakeStart(1, {4}, 1, 0);
  start.mutable_sampling()->set_temperature(0.0F);
  Router free(target());
  free.Start(start);
  const std::int32_t likeliest = free.ReadUntilEnded({1})[1][0].token().id();
  Router bound(target(), {likeliest});
  bound.Start(start);
  EXPECT_NE(bound.ReadUntilEnded({1})[1][0].token().id(), likeliest);
}

TEST_F(AttentionServiceTest, WhatIsWrongWithASequenceIsItsOwnFailure) {
  Router router(target());
  router.Start(MakeStart(1, {}, 5, 1));
  v1::StartSequence forgotten = MakeStart(2, {1}, 5, 1);
  forgotten.mutable_sampling()->clear_top_p();
  router.Start(forgotten);
  v1::StartSequence hot = MakeStart(3, {1}, 5, 1);
  hot.mutable_sampling()->set_temperature(-1.0F);
  router.Start(hot);
  router.Start(MakeStart(4, {1 << 30}, 5, 1));
  router.Start(MakeStart(5, {1}, std::int64_t{1} << 62, 1));
  router.Start(MakeStart(6, {1, 2}, 5, 1));
  auto events = router.ReadUntilEnded({1, 2, 3, 4, 5, 6});
  for (std::uint64_t i = 1; i <= 5; ++i) {
    ASSERT_EQ(events[i].size(), 1U) << i;
    EXPECT_EQ(events[i][0].failure().code(), 3) << i;
    EXPECT_TRUE(events[i][0].failure().permanent()) << i;
  }
  EXPECT_THAT(events[2][0].failure().message(), HasSubstr("sampling.top_p"));
  EXPECT_EQ(events[6].size(), 5U);
}

TEST_F(AttentionServiceTest, CommandsThatMakeNoSenseEndTheirStreamWithTheReason) {
  const auto status_of = [&](bool configure, const v1::AttentionCommand& command) {
    Router router(target(), {}, configure);
    router.Send(command);
    return router.ReadToEnd();
  };
  v1::AttentionCommand start;
  *start.mutable_start() = MakeStart(1, {1}, 1, 1);
  v1::AttentionCommand configure;
  configure.mutable_configure();
  v1::AttentionCommand outside;
  outside.mutable_configure()->add_banned_ids(256);
  v1::AttentionCommand twice;
  twice.mutable_configure()->add_banned_ids(7);
  twice.mutable_configure()->add_banned_ids(7);
  const std::vector<std::tuple<bool, v1::AttentionCommand, std::string>> cases = {
      {false, start, "first command"},
      {false, v1::AttentionCommand(), "first command"},
      {true, configure, "comes once"},
      {true, v1::AttentionCommand(), "neither configure, start nor cancel"},
      {false, outside, "ascending ids from 0 to 255"},
      {false, twice, "each once"},
  };
  for (const auto& [configured, command, message] : cases) {
    const grpc::Status status = status_of(configured, command);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << message;
    EXPECT_THAT(status.error_message(), HasSubstr(message));
  }
  EXPECT_EQ(RunAlone({1, 2}, 3, 1).size(), 3U) << "the worker is as well as before";
}

TEST_F(AttentionServiceTest, BytesThatAreNoCommandEndTheStream) {
  grpc::GenericStub stub(OpenChannel(target()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  grpc::CompletionQueue queue;
  const auto stream = stub.PrepareCall(&context, "/sextant.v1.Attention/Run", &queue);
  void* tag = nullptr;
  bool ok = false;
  stream->StartCall(nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  const grpc::Slice garbage("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff garbage");
  stream->Write(grpc::ByteBuffer(&garbage, 1), nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  grpc::Status status;
  stream->Finish(&status, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("no AttentionCommand"));
  EXPECT_EQ(RunAlone({1, 2}, 3, 1).size(), 3U);
}

TEST_F(AttentionServiceTest, ACancelledSequenceFreesItsBlocksAndSaysNothingMore) {
  Router router(target());
  router.Start(MakeStart(1, {1, 2, 3}, 900, 1));
  v1::AttentionEvents events;
  ASSERT_TRUE(router.Read(events));
  ASSERT_TRUE(router.Read(events));
  router.Cancel(1);
  router.Cancel(1);
  router.Cancel(1234);
  EXPECT_TRUE(thread_->WaitIdle(absl::Seconds(30)));
  EXPECT_EQ(thread_->stats().free_blocks, kCacheTokens / 64);
  router.Start(MakeStart(1, {1, 2, 3}, 2, 1));  // the number is free again
  std::size_t tokens = 0;
  while (router.Read(events)) {
    for (const v1::SequenceEvent& event : events.events()) {
      ++tokens;
      if (event.token().finished()) router.EndCommands();
    }
  }
  EXPECT_LT(tokens, 900U);
}

TEST_F(AttentionServiceTest, ABrokenStreamTakesItsSequencesAlong) {
  {
    Router router(target());
    for (std::uint64_t i = 0; i < 5; ++i) router.Start(MakeStart(i, {1, 2, 3}, 150, i));
    v1::AttentionEvents events;
    ASSERT_TRUE(router.Read(events));
    ASSERT_TRUE(router.Read(events));
    router.Break();
  }
  // Cancelling travels; the sequences would run for much longer than that.
  for (int i = 0; i < 3000 && thread_->load().running > 0; ++i)
    absl::SleepFor(absl::Milliseconds(10));
  EXPECT_TRUE(thread_->WaitIdle(absl::Seconds(30)));
  EXPECT_EQ(thread_->stats().free_blocks, kCacheTokens / 64);
  EXPECT_LT(thread_->stats().generated_tokens, 5 * 150);
}

TEST_F(AttentionServiceTest, ARouterThatHasNoMoreCommandsGetsItsTokensAndAnOrderlyEnd) {
  Router router(target());
  router.Start(MakeStart(1, {1, 2, 3}, 30, 1));
  router.EndCommands();
  EXPECT_EQ(router.ReadUntilEnded({1})[1].size(), 30U);
  EXPECT_TRUE(router.ReadToEnd().ok());
}

TEST_F(AttentionServiceTest, AWorkerThatStopsSaysSo) {
  Router router(target());
  v1::AttentionEvents events;
  ASSERT_TRUE(router.Read(events));
  thread_->Stop();
  EXPECT_EQ(router.ReadToEnd().error_code(), grpc::StatusCode::UNAVAILABLE);
  Router late(target());
  EXPECT_EQ(late.ReadToEnd().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(AttentionServiceTest, EqualListsOfBannedIdsAreOneList) {
  const auto first = service_->ShareBannedIds({1, 2, 3});
  const auto second = service_->ShareBannedIds({1, 2, 3});
  const auto other = service_->ShareBannedIds({1, 2});
  ASSERT_TRUE(first.ok() && second.ok() && other.ok());
  EXPECT_EQ(*first, *second);
  EXPECT_NE(*first, *other);
}

}  // namespace
}  // namespace sextant
