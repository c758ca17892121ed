#include "cli/load/load_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tests/support/fake_inference.h"

namespace sextant::cli {
namespace {

using ::testing::Each;
using ::testing::Ge;
using ::testing::Lt;
using ::testing::SizeIs;

LoadOptions Closed(std::int64_t requests, int concurrency) {
  return {.requests = requests,
          .concurrency = concurrency,
          .prompt_tokens = 5,
          .max_tokens = 3,
          .seed = 1,
          .vocab_size = 100};
}

bool GoOn(std::int64_t /*ended*/) { return true; }

TEST(LoadRequestTest, DependsOnSeedAndNumberAlone) {
  const LoadOptions options = Closed(1, 1);
  const v1::GenerateRequest first = MakeLoadRequest(options, 0);
  EXPECT_EQ(first.SerializeAsString(), MakeLoadRequest(options, 0).SerializeAsString());
  EXPECT_THAT(first.token_ids().ids(), SizeIs(5));
  EXPECT_THAT(first.token_ids().ids(), Each(Ge(0)));
  EXPECT_THAT(first.token_ids().ids(), Each(Lt(100)));
  EXPECT_EQ(first.params().max_tokens(), 3);
  EXPECT_TRUE(first.params().ignore_eos());
  LoadOptions other = options;
  other.seed = 2;
  EXPECT_NE(first.token_ids().SerializeAsString(),
            MakeLoadRequest(options, 1).token_ids().SerializeAsString());
  EXPECT_NE(first.token_ids().SerializeAsString(),
            MakeLoadRequest(other, 0).token_ids().SerializeAsString());
}

TEST(OpenLoopTest, StartsAscendAtTheRateOnAverage) {
  LoadOptions options = Closed(10000, 0);
  options.rate = 50;
  const std::vector<absl::Duration> starts = OpenLoopStarts(options);
  ASSERT_THAT(starts, SizeIs(10000));
  EXPECT_TRUE(std::is_sorted(starts.begin(), starts.end()));
  // The sum of 10,000 exponential pauses strays by 1% (one standard deviation).
  EXPECT_NEAR(absl::ToDoubleSeconds(starts.back()), 200, 10);
  EXPECT_EQ(starts, OpenLoopStarts(options));
}

TEST(LoadRunTest, AClosedLoopKeepsSoManyUnderWay) {
  FakeInference server;
  server.pause = absl::Milliseconds(5);
  InferenceClient client(server.target());
  std::int64_t last = 0;
  const LoadResult result = RunLoad(client, Closed(12, 4), [&](std::int64_t ended) {
    last = ended;
    return true;
  });
  EXPECT_EQ(last, 12);
  EXPECT_EQ(server.most_at_once(), 4);
  ASSERT_THAT(result.requests, SizeIs(12));
  for (const RequestTimes& times : result.requests) {
    EXPECT_TRUE(times.status.ok()) << times.status;
    ASSERT_THAT(times.tokens, SizeIs(3));
    EXPECT_GE(times.tokens[0] - times.start, absl::Milliseconds(5));
    EXPECT_LE(times.tokens[2], times.end);
    EXPECT_LE(times.end, result.wall);
  }
}

TEST(LoadRunTest, AnOpenLoopDoesNotWaitForAnswers) {
  FakeInference server;
  server.pause = absl::Milliseconds(50);
  InferenceClient client(server.target());
  LoadOptions options = Closed(20, 0);
  options.rate = 1000;
  const LoadResult result = RunLoad(client, options, GoOn);
  ASSERT_THAT(result.requests, SizeIs(20));
  EXPECT_GT(server.most_at_once(), 4);
}

TEST(LoadRunTest, ErrorsAreKeptByRequest) {
  FakeInference server;
  server.most_calls = 0;
  InferenceClient client(server.target());
  const LoadResult result = RunLoad(client, Closed(3, 2), GoOn);
  ASSERT_THAT(result.requests, SizeIs(3));
  for (const RequestTimes& times : result.requests) {
    EXPECT_EQ(times.status.code(), absl::StatusCode::kResourceExhausted);
  }
}

TEST(LoadRunTest, StoppedEarlyItCancelsWhatIsUnderWay) {
  FakeInference server;
  server.pause = absl::Milliseconds(20);
  InferenceClient client(server.target());
  LoadOptions options = Closed(100, 2);
  options.max_tokens = 1000;
  const LoadResult result = RunLoad(client, options, [](std::int64_t) { return false; });
  ASSERT_THAT(result.requests, SizeIs(2));
  for (const RequestTimes& times : result.requests) {
    EXPECT_EQ(times.status.code(), absl::StatusCode::kCancelled);
  }
}

}  // namespace
}  // namespace sextant::cli
