#include "router/generation/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "common/errors/error_details.h"
#include "tests/support/message_of.h"
#include "tests/unit/router/generation/dispatcher_fixture.h"

namespace sextant::router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

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
  EXPECT_EQ(request_metrics_.no_attention_worker.Value(), 1);
  EXPECT_EQ(request_metrics_.no_expert_worker.Value(), 0);
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
  EXPECT_EQ(request_metrics_.no_expert_worker.Value(), 1);
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
