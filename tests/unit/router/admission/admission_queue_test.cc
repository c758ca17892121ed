#include "router/admission/admission_queue.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/errors/error_details.h"
#include "tests/support/manual_clock.h"

namespace sextant::router {
namespace {

class AdmissionQueueTest : public ::testing::Test {
 protected:
  void Push(std::uint64_t request, const std::string& client, std::int32_t priority = 0,
            std::int32_t answers = 1) {
    ASSERT_TRUE(
        queue_
            .Push({.request = request, .client = client, .priority = priority, .answers = answers},
                  clock_.Now())
            .ok());
  }
  std::vector<std::uint64_t> TakeAll() {
    std::vector<std::uint64_t> order;
    while (const auto next = queue_.Next()) {
      order.push_back(*next);
      queue_.TakeNext(clock_.Now());
    }
    return order;
  }

  ManualClock clock_;
  AdmissionQueue queue_{8};
};

using Order = std::vector<std::uint64_t>;

TEST_F(AdmissionQueueTest, OneClientIsServedInTheOrderOfItsRequests) {
  for (std::uint64_t i = 1; i <= 5; ++i) Push(i, "a");
  EXPECT_EQ(TakeAll(), (Order{1, 2, 3, 4, 5}));
  EXPECT_EQ(queue_.size(), 0);
}

TEST_F(AdmissionQueueTest, ClientsOfOnePriorityTakeTurns) {
  for (std::uint64_t i = 1; i <= 4; ++i) Push(i, "greedy");
  Push(10, "modest");
  Push(20, "late");
  EXPECT_EQ(TakeAll(), (Order{1, 10, 20, 2, 3, 4}));
}

TEST_F(AdmissionQueueTest, AClientThatComesBackWaitsForItsTurn) {
  Push(1, "a");
  Push(2, "b");
  Push(3, "b");
  queue_.TakeNext(clock_.Now());
  Push(4, "a");
  EXPECT_EQ(TakeAll(), (Order{2, 4, 3}));
}

TEST_F(AdmissionQueueTest, HigherPriorityGoesFirst) {
  Push(1, "a", 0);
  Push(2, "a", -100);
  Push(3, "b", 100);
  Push(4, "a", 100);
  EXPECT_EQ(TakeAll(), (Order{3, 4, 1, 2}));
}

TEST_F(AdmissionQueueTest, TheAnswersOfARequestAreTurnsOfItsClient) {
  Push(1, "a", 0, 3);
  Push(2, "b", 0, 2);
  EXPECT_EQ(queue_.size(), 2);
  EXPECT_EQ(TakeAll(), (Order{1, 2, 1, 2, 1}));
}

TEST_F(AdmissionQueueTest, ARemovedRequestIsForgottenAndItsClientKeepsTheOthers) {
  Push(1, "a");
  Push(2, "a");
  Push(3, "b", 5);
  queue_.Remove(3);
  queue_.Remove(1);
  queue_.Remove(99);
  EXPECT_EQ(queue_.size(), 1);
  EXPECT_EQ(TakeAll(), (Order{2}));
  EXPECT_FALSE(queue_.Next().has_value());
}

TEST_F(AdmissionQueueTest, AFullQueueRefusesWithReasonAndDelay) {
  for (std::uint64_t i = 1; i <= 8; ++i) Push(i, "a");
  const absl::Status status = queue_.Push({.request = 9, .client = "b"}, clock_.Now());
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Reason(status), "QUEUE_FULL");
  EXPECT_EQ(RetryDelay(status), absl::Seconds(1));  // nothing has left yet
  EXPECT_EQ(queue_.size(), 8);
  queue_.TakeNext(clock_.Now());
  EXPECT_TRUE(queue_.Push({.request = 9, .client = "b"}, clock_.Now()).ok());
}

TEST_F(AdmissionQueueTest, TheDelayFollowsTheRateOfDepartures) {
  for (std::uint64_t i = 1; i <= 600; ++i) {  // ten a second, for a minute
    Push(i, "a");
    clock_.Advance(absl::Milliseconds(100));
    queue_.TakeNext(clock_.Now());
  }
  for (std::uint64_t i = 1001; i <= 1008; ++i) Push(i, "a");
  EXPECT_NEAR(absl::ToDoubleSeconds(queue_.RetryDelay(clock_.Now())), 0.9, 0.05);
  clock_.Advance(absl::Hours(1));  // nothing moves any more
  EXPECT_EQ(queue_.RetryDelay(clock_.Now()), absl::Minutes(1));
}

TEST_F(AdmissionQueueTest, ABurstAtTheStartIsNotTakenForARate) {
  for (std::uint64_t i = 1; i <= 8; ++i) Push(i, "a");
  for (int i = 0; i < 4; ++i) queue_.TakeNext(clock_.Now());
  // Four within no time count as four in a second.
  EXPECT_NEAR(absl::ToDoubleSeconds(queue_.RetryDelay(clock_.Now())), 5.0 / 4, 0.1);
}

}  // namespace
}  // namespace sextant::router
