// Workers that are lost, that leave and come back, or that fail a sequence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/router/generation/dispatcher_fixture.h"

namespace sextant::router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

class DispatcherLossTest : public DispatcherTest {};

TEST_F(DispatcherLossTest, TheLossOfAnExpertWorkerIsAStallOfTheStreamsThatRan) {
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

TEST_F(DispatcherLossTest, ALostWorkersSequencesGoOnElsewhereWithWhatTheyHave) {
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

TEST_F(DispatcherLossTest, AfterALossTheLastWorkersSequencesWaitForItsNextStream) {
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

TEST_F(DispatcherLossTest, AWorkerThatIsListedNoMoreKeepsItsSequencesWhileThereIsNoOther) {
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

TEST_F(DispatcherLossTest, AWorkerThatIsListedNoMoreLosesItsSequencesToAnotherOne) {
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

TEST_F(DispatcherLossTest, AWorkerThatIsBackInAMomentKeepsItsSequences) {
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

TEST_F(DispatcherLossTest, WhenAllAreBackOneAfterAnotherEveryWorkerKeepsItsSequences) {
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

TEST_F(DispatcherLossTest, AFailureThatIsNotTheRequestsFaultIsTriedElsewhereAndThenAgain) {
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

TEST_F(DispatcherLossTest, AFailureThatIsTheRequestsFaultEndsIt) {
  Ready({Worker("a")});
  const auto sink = Submit({.answers = 2});
  Report("a", {{.sequence = Stream("a").starts[0].sequence,
                .what = PeerFailure{.status = absl::InvalidArgumentError("logit_bias is odd"),
                                    .permanent = true}}});
  EXPECT_EQ(sink->status->code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Stream("a").cancels, ElementsAre(Stream("a").starts[1].sequence));
}

TEST_F(DispatcherLossTest, ARequestThatEveryWorkerDiesOfIsGivenUp) {
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

TEST_F(DispatcherLossTest, AWorkerThatGoesAndComesIsDialledWithGrowingPauses) {
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

}  // namespace
}  // namespace sextant::router
