#include "cli/client/status_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/errors/error_details.h"

namespace sextant::cli {
namespace {

using ::testing::HasSubstr;

TEST(StatusTextTest, NamesCodeReasonAndDelay) {
  const absl::Status status =
      WithRetryDelay(WithReason(absl::ResourceExhaustedError("the queue is full"), "QUEUE_FULL"),
                     absl::Milliseconds(1500));
  EXPECT_EQ(StatusText(status, "a:1"),
            "RESOURCE_EXHAUSTED: the queue is full (QUEUE_FULL); try again in 1.5s");
}

TEST(StatusTextTest, SaysWhatToDoWhenNobodyAnswers) {
  EXPECT_THAT(StatusText(absl::UnavailableError("connection refused"), "a:1"),
              HasSubstr("is a router running at a:1? Start one with `sextant up`"));
}

}  // namespace
}  // namespace sextant::cli
