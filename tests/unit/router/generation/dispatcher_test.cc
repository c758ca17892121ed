#include "router/generation/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "common/errors/error_details.h"
#include "tests/support/manual_clock.h"
#include "tests/support/message_of.h"
#include "tests/unit/router/fake_attention_peers.h"
#include "tests/unit/router/generation/collecting_sink.h"

namespace sextant::router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

class DispatcherTest : public ::testing::Test {
 protected:
  struct Call {
    std::string id = {};
    std::string client = "client";
    std::int32_t priority = 0;
    std::int32_t answers = 1;
    std::int64_t max_tokens = 4;
    absl::Duration patience = absl::InfiniteDuration();
    Ids prompt = {1, 2, 3};
  };

  std::shared_ptr<CollectingSink> Submit(Call call) {
    PreparedRequest request;
    request.call.handle = ++last_handle_;
    request.call.arrival = clock_.Now();
    request.call.deadline = clock_.Now() + call.patience;
    request.request_id = call.id.empty() ? "r" + std::to_string(last_handle_) : call.id;
    request.client_id = call.client;
    request.priority = call.priority;
    request.prompt_ids = call.prompt;
    request.sampling.seed = 100;
    request.max_tokens = call.max_tokens;
    request.num_answers = call.answers;
    auto sink = std::make_shared<CollectingSink>();
    dispatcher_->Submit(std::move(request), sink);
    return sink;
  }

  static AttentionWorkerInfo Worker(const std::string& id, std::int64_t max_sequences = 4) {
    AttentionWorkerInfo info;
    info.worker_id = id;
    info.cache_blocks = 64;
    info.block_tokens = 16;
    info.max_sequences = max_sequences;
    return info;
  }

  void List(const std::vector<AttentionWorkerInfo>& workers) { dispatcher_->SetWorkers(workers); }
  // Lists the workers and lets each answer its stream.
  void Ready(const std::vector<AttentionWorkerInfo>& workers) {
    List(workers);
    for (const AttentionWorkerInfo& worker : workers) Report(worker.worker_id, {});
  }

  FakeStream& Stream(const std::string& worker) { return *peers_.StreamOf(worker); }
  void Report(const std::string& worker, std::vector<PeerEvent> events) {
    dispatcher_->OnPeerEvents(Stream(worker).number,
                              {.events = std::move(events), .load = {.free_blocks = 64}});
  }
  void Token(const std::string& worker, SequenceNumber sequence, std::int32_t id,
             bool finished = false) {
    Report(worker, {{.sequence = sequence, .what = PeerToken{.id = id, .finished = finished}}});
  }
  // Ends all that the worker has been given, with one more token each.
  void FinishAll(const std::string& worker) {
    const std::vector<StartedSequence> starts = Stream(worker).starts;
    for (const StartedSequence& start : starts) Token(worker, start.sequence, 7, true);
  }
  void Lose(const std::string& worker) {
    dispatcher_->OnPeerLost(Stream(worker).number, absl::UnavailableError("connection reset"));
  }
  void Advance(absl::Duration duration) {
    clock_.Advance(duration);
    static_cast<void>(dispatcher_->Tick());
  }
  std::vector<std::string> StartedIds(const std::string& worker) {
    std::vector<std::string> ids;
    for (const StartedSequence& start : Stream(worker).starts) ids.push_back(start.request_id);
    return ids;
  }
  void MakeDispatcher(std::int64_t queue_capacity) {
    dispatcher_ = std::make_unique<Dispatcher>(
        Dispatcher::Options{.queue_capacity = queue_capacity,
                            .on_serving = [this](bool serving) { serving_.push_back(serving); }},
        peers_, request_metrics_, clock_);
  }
  void SetUp() override { MakeDispatcher(8); }

  ManualClock clock_;
  FakeAttentionPeers peers_;
  Metrics metrics_;
  RequestMetrics request_metrics_{metrics_};
  std::vector<bool> serving_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::uint64_t last_handle_ = 0;
};

TEST_F(DispatcherTest, ARequestRunsToItsEnd) {
  Ready({Worker("a")});
  const auto sink = Submit({.max_tokens = 3});
  ASSERT_EQ(Stream("a").starts.size(), 1U);
  const StartedSequence start = Stream("a").starts[0];
  EXPECT_EQ(start.prompt_ids, (Ids{1, 2, 3}));
  EXPECT_EQ(start.seed, 100U);
  clock_.Advance(absl::Seconds(1));
  Token("a", start.sequence, 10);
  EXPECT_EQ(sink->pieces, 1);
  clock_.Advance(absl::Seconds(1));
  Token("a", start.sequence, 11);
  Token("a", start.sequence, 12, true);
  const Piece& answer = sink->answers.at(0);
  EXPECT_EQ(answer.ids, (Ids{10, 11, 12}));
  EXPECT_EQ(answer.seed, 100U);
  EXPECT_EQ(answer.finish, Finish::kLength);
  EXPECT_EQ(answer.usage->prompt_tokens, 3);
  EXPECT_EQ(answer.usage->completion_tokens, 3);
  EXPECT_EQ(answer.timings->queue_seconds, 0);
  EXPECT_EQ(answer.timings->first_token_seconds, 1);
  EXPECT_EQ(answer.timings->total_seconds, 2);
  EXPECT_EQ(sink->status, absl::OkStatus());
  EXPECT_EQ(sink->ends, 1);
  EXPECT_EQ(dispatcher_->state().requests, 0);
  EXPECT_EQ(dispatcher_->state().running, 0);
  EXPECT_TRUE(Stream("a").cancels.empty());
}

TEST_F(DispatcherTest, NothingIsSentToAWorkerThatHasNotAnsweredItsStream) {
  List({Worker("a")});
  const auto sink = Submit({});
  EXPECT_TRUE(Stream("a").starts.empty());
  EXPECT_TRUE(serving_.empty());
  Report("a", {});
  EXPECT_EQ(Stream("a").starts.size(), 1U);
  EXPECT_THAT(serving_, ElementsAre(true));
}

TEST_F(DispatcherTest, AnswersOfOneRequestHaveTheirOwnSeeds) {
  Ready({Worker("a")});
  const auto sink = Submit({.answers = 3, .max_tokens = 2});
  ASSERT_EQ(Stream("a").starts.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(Stream("a").starts[i].seed, 100 + i);
  Token("a", Stream("a").starts[1].sequence, 50);
  FinishAll("a");
  ASSERT_EQ(sink->answers.size(), 3U);
  EXPECT_EQ(sink->answers.at(0).ids, (Ids{7}));
  EXPECT_EQ(sink->answers.at(1).ids, (Ids{50, 7}));
  EXPECT_EQ(sink->answers.at(2).seed, 102U);
  EXPECT_FALSE(sink->answers.at(0).usage.has_value());
  EXPECT_EQ(sink->answers.at(2).usage->completion_tokens, 4);
  EXPECT_EQ(sink->status, absl::OkStatus());
}

TEST_F(DispatcherTest, AWorkerThatDoesNotEndAtMaxTokensIsMadeTo) {
  Ready({Worker("a")});
  const auto sink = Submit({.max_tokens = 1});
  Token("a", Stream("a").starts[0].sequence, 10);
  EXPECT_EQ(sink->status, absl::OkStatus());
  EXPECT_EQ(sink->answers.at(0).finish, Finish::kLength);
  EXPECT_THAT(Stream("a").cancels, ElementsAre(Stream("a").starts[0].sequence));
}

TEST_F(DispatcherTest, TheQueueHoldsWhatTheWorkersCannotAndRefusesTheRest) {
  MakeDispatcher(2);
  Ready({Worker("a", 1)});
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  for (int i = 0; i < 4; ++i) sinks.push_back(Submit({}));
  EXPECT_EQ(dispatcher_->state().running, 1);
  EXPECT_EQ(dispatcher_->state().queued, 2);
  ASSERT_TRUE(sinks[3]->status.has_value());
  EXPECT_EQ(sinks[3]->status->code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Reason(*sinks[3]->status), "QUEUE_FULL");
  EXPECT_TRUE(RetryDelay(*sinks[3]->status).has_value());
  EXPECT_EQ(RequestId(*sinks[3]->status), "r4");
  for (int i = 0; i < 3; ++i) FinishAll("a");
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(sinks[static_cast<std::size_t>(i)]->status, absl::OkStatus());
}

TEST_F(DispatcherTest, PriorityAndTurnsDecideWhoGoesNext) {
  Ready({Worker("a", 1)});
  Submit({.id = "first"});
  Submit({.id = "x1", .client = "x"});
  Submit({.id = "x2", .client = "x"});
  Submit({.id = "y1", .client = "y"});
  Submit({.id = "urgent", .client = "x", .priority = 1});
  for (int i = 0; i < 5; ++i) FinishAll("a");
  EXPECT_THAT(StartedIds("a"), ElementsAre("first", "urgent", "x1", "y1", "x2"));
}

TEST_F(DispatcherTest, ADeadlineThatPassesInTheQueueNeverReachesAWorker) {
  Ready({Worker("a", 1)});
  Submit({.id = "first"});
  const auto late = Submit({.id = "late", .patience = absl::Seconds(5)});
  const absl::Time next = dispatcher_->Tick();
  EXPECT_LE(next, clock_.Now() + absl::Seconds(5));
  clock_.Advance(absl::Seconds(5));
  FinishAll("a");  // before any tick
  ASSERT_TRUE(late->status.has_value());
  EXPECT_EQ(late->status->code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(MessageOf(*late->status), HasSubstr("in the queue"));
  EXPECT_THAT(StartedIds("a"), ElementsAre("first"));
}

TEST_F(DispatcherTest, ADeadlineFreesTheWorkerAtOnce) {
  Ready({Worker("a", 1)});
  const auto sink = Submit({.patience = absl::Seconds(5)});
  Token("a", Stream("a").starts[0].sequence, 10);
  Advance(absl::Seconds(4.9));  // looked at early, for nothing
  EXPECT_FALSE(sink->status.has_value());
  Advance(absl::Seconds(0.1));
  EXPECT_EQ(sink->status->code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(MessageOf(*sink->status), HasSubstr("after 1 tokens"));
  EXPECT_THAT(Stream("a").cancels, ElementsAre(Stream("a").starts[0].sequence));
}

TEST_F(DispatcherTest, WithoutAWorkerARequestIsUnavailableShortlyBeforeItsDeadline) {
  const auto sink = Submit({.patience = absl::Seconds(5)});
  Advance(absl::Seconds(4.7));
  EXPECT_FALSE(sink->status.has_value());
  Advance(absl::Seconds(0.2));
  ASSERT_TRUE(sink->status.has_value());
  EXPECT_EQ(sink->status->code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reason(*sink->status), "NO_ATTENTION_WORKER");
}

TEST_F(DispatcherTest, WithoutAHolderOfAnExpertARequestIsToldWhichEvenOnAWorker) {
  Ready({Worker("a")});
  dispatcher_->SetCover({.missing = {0, 1, 2, 7, 9, 10}, .attention_workers = 1});
  const auto sink = Submit({.patience = absl::Seconds(5)});
  ASSERT_EQ(Stream("a").starts.size(), 1U);
  Advance(absl::Seconds(4.7));
  EXPECT_FALSE(sink->status.has_value());
  Advance(absl::Seconds(0.2));
  ASSERT_TRUE(sink->status.has_value());
  EXPECT_EQ(sink->status->code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reason(*sink->status), "NO_EXPERT_WORKER");
  EXPECT_THAT(MessageOf(*sink->status), HasSubstr("holds the experts 0-2, 7, 9-10;"));
}

TEST_F(DispatcherTest, TheLossOfAnExpertWorkerIsAStallOfTheStreamsThatRan) {
  Ready({Worker("a")});
  const auto sink = Submit({});
  const SequenceNumber sequence = Stream("a").starts[0].sequence;
  Token("a", sequence, 10);
  clock_.Advance(absl::Milliseconds(20));
  Token("a", sequence, 11);
  EXPECT_THAT(metrics_.Text(), HasSubstr("sextant_sequence_stall_seconds_count 0"));
  clock_.Advance(absl::Seconds(3));
  dispatcher_->SetCover({.missing = {4}, .holders_lost = 1, .attention_workers = 1});
  dispatcher_->SetCover({.holders_lost = 1, .attention_workers = 1});
  clock_.Advance(absl::Seconds(1));
  Token("a", sequence, 12);
  Token("a", sequence, 13, true);
  EXPECT_THAT(metrics_.Text(), HasSubstr("sextant_sequence_stall_seconds_count 1"));
  EXPECT_THAT(metrics_.Text(), HasSubstr("sextant_sequence_stall_seconds_sum 4\n"));
}

TEST_F(DispatcherTest, WithoutADeadlineARequestWaitsForAWorkerNoLongerThanTheLimit) {
  const auto early = Submit({});
  Advance(absl::Seconds(20));
  const auto late = Submit({});
  Advance(absl::Seconds(9));
  EXPECT_FALSE(early->status.has_value());
  Advance(absl::Seconds(2));
  ASSERT_TRUE(early->status.has_value());
  EXPECT_EQ(early->status->code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reason(*early->status), "NO_ATTENTION_WORKER");
  EXPECT_FALSE(late->status.has_value());
  // A worker comes, takes it, and goes: the wait begins anew.
  Ready({Worker("a")});
  Advance(absl::Minutes(10));
  EXPECT_FALSE(late->status.has_value());
  List({});
  Lose("a");
  Advance(absl::Seconds(29));
  EXPECT_FALSE(late->status.has_value());
  Advance(absl::Seconds(2));
  ASSERT_TRUE(late->status.has_value());
  EXPECT_EQ(late->status->code(), absl::StatusCode::kUnavailable);
}

TEST_F(DispatcherTest, WithoutADeadlineARequestWaitsForExpertsNoLongerThanTheLimit) {
  Ready({Worker("a")});
  const auto sink = Submit({});
  Advance(absl::Seconds(25));
  dispatcher_->SetCover({.missing = {3}, .holders_lost = 1, .attention_workers = 1});
  Advance(absl::Seconds(29));
  EXPECT_FALSE(sink->status.has_value());
  Advance(absl::Seconds(2));
  ASSERT_TRUE(sink->status.has_value());
  EXPECT_EQ(Reason(*sink->status), "NO_EXPERT_WORKER");
}

TEST_F(DispatcherTest, CancelEndsARequestInTheQueueAndOnAWorker) {
  Ready({Worker("a", 1)});
  const auto running = Submit({.id = "running"});
  const auto queued = Submit({.id = "queued"});
  EXPECT_TRUE(dispatcher_->Cancel("queued").ok());
  EXPECT_EQ(queued->status->code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(dispatcher_->Cancel("running").ok());
  EXPECT_EQ(running->status->code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Stream("a").cancels.size(), 1U);
  EXPECT_EQ(Stream("a").starts.size(), 1U);
  EXPECT_EQ(dispatcher_->Cancel("running").code(), absl::StatusCode::kNotFound);
  Token("a", Stream("a").starts[0].sequence, 10);  // was on its way
  EXPECT_EQ(running->pieces, 0);
  EXPECT_EQ(running->ends, 1);
}

TEST_F(DispatcherTest, AClientThatLeavesFreesItsPlace) {
  Ready({Worker("a", 1)});
  const auto gone = Submit({});
  const auto next = Submit({});
  dispatcher_->Abandon(1);
  dispatcher_->Abandon(1);
  EXPECT_EQ(gone->ends, 1);
  EXPECT_EQ(Stream("a").starts.size(), 2U);
  FinishAll("a");
  EXPECT_EQ(next->status, absl::OkStatus());
}

TEST_F(DispatcherTest, ARunningIdIsNotTakenTwiceAndIsFreeAfterwards) {
  Ready({Worker("a")});
  const auto first = Submit({.id = "same"});
  const auto second = Submit({.id = "same"});
  EXPECT_EQ(second->status->code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldProblems(*second->status).at(0).field, "request_id");
  dispatcher_->Abandon(2);  // the client of the refused one hangs up
  FinishAll("a");
  EXPECT_EQ(first->status, absl::OkStatus());
  EXPECT_FALSE(Submit({.id = "same"})->status.has_value());
}

TEST_F(DispatcherTest, ALostWorkersSequencesGoOnElsewhereWithWhatTheyHave) {
  Ready({Worker("a"), Worker("b")});
  const auto sink = Submit({.max_tokens = 4});
  const std::string first = Stream("a").starts.empty() ? "b" : "a";
  const std::string second = first == "a" ? "b" : "a";
  const SequenceNumber old = Stream(first).starts[0].sequence;
  Token(first, old, 10);
  Token(first, old, 11);
  const PeerNumber lost = Stream(first).number;
  Lose(first);
  ASSERT_EQ(Stream(second).starts.size(), 1U);
  const StartedSequence again = Stream(second).starts[0];
  EXPECT_EQ(again.prompt_ids, (Ids{1, 2, 3}));
  EXPECT_EQ(again.generated_ids, (Ids{10, 11}));
  EXPECT_EQ(again.seed, 100U);
  EXPECT_EQ(again.max_tokens, 4);
  EXPECT_NE(again.sequence, old);
  // What the lost stream still reports is not heard.
  dispatcher_->OnPeerEvents(lost, {.events = {{.sequence = old, .what = PeerToken{.id = 99}}}});
  Token(second, again.sequence, 12);
  Token(second, again.sequence, 13, true);
  EXPECT_EQ(sink->answers.at(0).ids, (Ids{10, 11, 12, 13}));
  EXPECT_EQ(sink->answers.at(0).usage->completion_tokens, 4);
  EXPECT_EQ(sink->status, absl::OkStatus());
}

TEST_F(DispatcherTest, AfterALossTheLastWorkersSequencesWaitForItsNextStream) {
  Ready({Worker("a")});
  const auto sink = Submit({.id = "old"});
  Token("a", Stream("a").starts[0].sequence, 10);
  Lose("a");
  EXPECT_THAT(serving_, ElementsAre(true, false));
  Submit({.id = "new", .priority = 100});
  Advance(absl::ZeroDuration());
  ASSERT_EQ(peers_.streams().size(), 2U);
  Report("a", {});
  EXPECT_THAT(serving_, ElementsAre(true, false, true));
  // What ran before goes before everything in the queue.
  EXPECT_THAT(StartedIds("a"), ElementsAre("old", "new"));
  EXPECT_EQ(Stream("a").starts[0].generated_ids, (Ids{10}));
  FinishAll("a");
  EXPECT_EQ(sink->answers.at(0).ids, (Ids{10, 7}));
}

TEST_F(DispatcherTest, AWorkerThatIsListedNoMoreKeepsItsSequencesWhileThereIsNoOther) {
  Ready({Worker("a")});
  const auto sink = Submit({});
  List({});
  EXPECT_THAT(serving_, ElementsAre(true, false));
  Advance(absl::Seconds(10));
  const auto waiting = Submit({});
  EXPECT_EQ(Stream("a").starts.size(), 1U);
  Token("a", Stream("a").starts[0].sequence, 10, true);
  EXPECT_EQ(sink->status, absl::OkStatus());
  EXPECT_FALSE(Stream("a").open);
  EXPECT_FALSE(waiting->status.has_value());
}

TEST_F(DispatcherTest, AWorkerThatIsListedNoMoreLosesItsSequencesToAnotherOne) {
  Ready({Worker("a")});
  const auto sink = Submit({});
  Token("a", Stream("a").starts[0].sequence, 10);
  Ready({Worker("b")});
  EXPECT_TRUE(Stream("b").starts.empty());  // "a" may be back in a moment
  Advance(absl::Milliseconds(100));
  ASSERT_EQ(Stream("b").starts.size(), 1U);
  EXPECT_EQ(Stream("b").starts[0].generated_ids, (Ids{10}));
  EXPECT_THAT(Stream("a").cancels, ElementsAre(Stream("a").starts[0].sequence));
  EXPECT_FALSE(Stream("a").open);
  FinishAll("b");
  EXPECT_EQ(sink->answers.at(0).ids, (Ids{10, 7}));
}

TEST_F(DispatcherTest, AWorkerThatIsBackInAMomentKeepsItsSequences) {
  Ready({Worker("a"), Worker("b")});
  Submit({});
  const std::string busy = Stream("a").starts.empty() ? "b" : "a";
  const std::string other = busy == "a" ? "b" : "a";
  List({Worker(other)});
  clock_.Advance(absl::Milliseconds(99));
  List({Worker("a"), Worker("b")});
  Advance(absl::Seconds(1));
  EXPECT_TRUE(Stream(busy).cancels.empty());
  EXPECT_TRUE(Stream(other).starts.empty());
}

TEST_F(DispatcherTest, WhenAllAreBackOneAfterAnotherEveryWorkerKeepsItsSequences) {
  Ready({Worker("a"), Worker("b")});
  Submit({});
  Submit({});
  ASSERT_EQ(Stream("a").starts.size(), 1U);
  ASSERT_EQ(Stream("b").starts.size(), 1U);
  List({});
  Advance(absl::Seconds(5));
  List({Worker("a")});
  Advance(absl::Milliseconds(99));
  EXPECT_EQ(Stream("a").starts.size(), 1U);
  List({Worker("a"), Worker("b")});
  Advance(absl::Seconds(1));
  EXPECT_EQ(Stream("a").starts.size(), 1U);
  List({});
  List({Worker("a")});
  Advance(absl::Milliseconds(100));
  EXPECT_EQ(Stream("a").starts.size(), 2U);
}

TEST_F(DispatcherTest, AFailureThatIsNotTheRequestsFaultIsTriedElsewhereAndThenAgain) {
  Ready({Worker("a"), Worker("b")});
  const auto sink = Submit({});
  const std::string first = Stream("a").starts.empty() ? "b" : "a";
  const std::string second = first == "a" ? "b" : "a";
  const auto fail = [&](const std::string& worker) {
    Report(worker, {{.sequence = Stream(worker).starts.back().sequence,
                     .what = PeerFailure{.status = absl::UnavailableError("no experts")}}});
  };
  fail(first);
  EXPECT_TRUE(Stream(second).starts.empty());
  Advance(absl::Milliseconds(100));
  ASSERT_EQ(Stream(second).starts.size(), 1U);
  fail(second);
  Advance(absl::Milliseconds(199));
  EXPECT_EQ(Stream(first).starts.size(), 1U);
  Advance(absl::Milliseconds(1));
  EXPECT_EQ(Stream(first).starts.size(), 2U);
  EXPECT_FALSE(sink->status.has_value());
}

TEST_F(DispatcherTest, AFailureThatIsTheRequestsFaultEndsIt) {
  Ready({Worker("a")});
  const auto sink = Submit({.answers = 2});
  Report("a", {{.sequence = Stream("a").starts[0].sequence,
                .what = PeerFailure{.status = absl::InvalidArgumentError("logit_bias is odd"),
                                    .permanent = true}}});
  EXPECT_EQ(sink->status->code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Stream("a").cancels, ElementsAre(Stream("a").starts[1].sequence));
}

TEST_F(DispatcherTest, ARequestThatEveryWorkerDiesOfIsGivenUp) {
  Ready({Worker("a")});
  const auto sink = Submit({.answers = 2});
  for (int i = 0; i < Dispatcher::kMaxLosses; ++i) {
    ASSERT_FALSE(sink->status.has_value()) << i;
    Lose("a");
    Advance(absl::Seconds(1));
    Report("a", {});
  }
  ASSERT_TRUE(sink->status.has_value());
  EXPECT_EQ(sink->status->code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(dispatcher_->state().running, 0);
}

TEST_F(DispatcherTest, AWorkerThatGoesAndComesIsDialledWithGrowingPauses) {
  List({Worker("a")});
  std::vector<std::size_t> streams;
  for (int i = 0; i < 3; ++i) {
    Lose("a");
    Advance(absl::ZeroDuration());
    streams.push_back(peers_.streams().size());
    Advance(absl::Seconds(1));
  }
  EXPECT_THAT(streams, ElementsAre(2U, 2U, 3U));  // at once; after 20 ms; after 40 ms
}

TEST_F(DispatcherTest, WhatNoCacheCanHoldIsRefusedByName) {
  Ready({Worker("a")});
  const auto sink = Submit({.max_tokens = 64 * 16 - 2});
  EXPECT_EQ(sink->status->code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldProblems(*sink->status).at(0).field, "params.max_tokens");
  EXPECT_FALSE(Submit({.max_tokens = 64 * 16 - 3})->status.has_value());
}

TEST_F(DispatcherTest, WhileShuttingDownTheOldRequestsEndAndNewOnesAreRefused) {
  Ready({Worker("a")});
  const auto old = Submit({});
  dispatcher_->StopAdmission();
  const auto fresh = Submit({});
  EXPECT_EQ(fresh->status->code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reason(*fresh->status), "SHUTTING_DOWN");
  FinishAll("a");
  EXPECT_EQ(old->status, absl::OkStatus());
}

TEST_F(DispatcherTest, ACallWhoseClientHasLeftIsNotQueued) {
  PreparedRequest request;
  request.prompt_ids = {1};
  const auto sink = std::make_shared<CollectingSink>();
  sink->gone = true;
  dispatcher_->Submit(std::move(request), sink);
  EXPECT_EQ(sink->status->code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(dispatcher_->state().requests, 0);
}

}  // namespace
}  // namespace sextant::router
