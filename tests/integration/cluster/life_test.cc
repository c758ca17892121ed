// How a cluster of processes stops, and what it does when one of them dies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/client/inference_client.h"
#include "common/base/address_sanitizer.h"
#include "tests/integration/cluster/asked_requests.h"
#include "tests/integration/cluster/up_process.h"

namespace sextant {
namespace {

using ::testing::AnyOf;
using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Enough for something to happen in the middle; a sanitized worker is many times slower.
constexpr int kTokens = kAddressSanitizer ? 100 : 400;

std::string Model() { return std::string(SEXTANT_SOURCE_DIR) + "/tests/golden/model/lite"; }

std::vector<v1::WorkerStatus> WorkersOf(const v1::ClusterStatus& status, v1::Role role) {
  std::vector<v1::WorkerStatus> workers;
  for (const v1::WorkerStatus& worker : status.workers()) {
    if (worker.role() == role && worker.state() == "ready") workers.push_back(worker);
  }
  return workers;
}

class ClusterLifeTest : public ::testing::Test {
 protected:
  void Start(int attention, int experts) {
    auto up = UpProcess::Start({.model = Model(), .attention = attention, .experts = experts});
    ASSERT_TRUE(up.ok()) << up.status();
    up_ = *std::move(up);
    children_ = ChildrenOf(up_->pid());
    ASSERT_THAT(children_, SizeIs(1 + attention + experts));
  }

  // The pid of the first worker of a role.
  int PidOf(v1::Role role) {
    const auto status = up_->Status();
    const auto workers = status.ok() ? WorkersOf(*status, role) : std::vector<v1::WorkerStatus>();
    return workers.empty() ? 0 : static_cast<int>(workers.front().pid());
  }

  void ExpectAllGone() {
    for (const int child : children_) EXPECT_TRUE(IsGone(child)) << child;
  }

  // Kills a worker of `role` while streams run: they end with the bytes of an undisturbed run, and
  // a new worker takes its place.
  void KillOneWhileStreamsRun(v1::Role role, int attention, int experts) {
    const auto requests = MakeRequests(8, 250, kTokens);
    const auto wanted = AskOneProcess(Model(), requests);
    ASSERT_TRUE(wanted.ok()) << wanted.status();
    ASSERT_NO_FATAL_FAILURE(Start(attention, experts));
    const int victim = PidOf(role);
    ASSERT_GT(victim, 0);
    const auto got = AskCluster(up_->target(), requests, [&] { kill(victim, SIGKILL); });
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(*got, *wanted);
    const auto count = static_cast<std::size_t>(role == v1::ROLE_ATTENTION ? attention : experts);
    const auto again = up_->WaitUntil([&](const v1::ClusterStatus& status) {
      const auto workers = WorkersOf(status, role);
      return workers.size() == count &&
             std::all_of(workers.begin(), workers.end(),
                         [&](const v1::WorkerStatus& worker) { return worker.pid() != victim; });
    });
    EXPECT_TRUE(again.ok()) << again.status();
  }

  std::unique_ptr<UpProcess> up_;
  std::vector<int> children_;
};

TEST_F(ClusterLifeTest, TheFirstSigtermLetsStreamsEndAndRefusesNewOnes) {
  ASSERT_NO_FATAL_FAILURE(Start(1, 2));
  const auto requests = MakeRequests(4, 250, kTokens);
  absl::Status refused;
  const auto got = AskCluster(up_->target(), requests, [&] {
    up_->Signal(SIGTERM);
    // Asked a moment later, because the signal takes its time to reach the router.
    absl::SleepFor(absl::Milliseconds(100));
    refused = AskCluster(up_->target(), MakeRequests(1, 250, 1)).status();
  });
  ASSERT_TRUE(got.ok()) << got.status();
  for (const GotAnswer& answer : *got) EXPECT_THAT(answer.ids, SizeIs(kTokens));
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable) << refused;
  const auto status = up_->WaitForExit(absl::Seconds(20));
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, 0);
  ExpectAllGone();
}

TEST_F(ClusterLifeTest, TheSecondSigtermStopsNow) {
  ASSERT_NO_FATAL_FAILURE(Start(1, 2));
  const absl::Time asked = absl::Now();
  const auto got = AskCluster(up_->target(), MakeRequests(4, 250, 3000), [&] {
    up_->Signal(SIGTERM);
    absl::SleepFor(absl::Milliseconds(200));
    up_->Signal(SIGTERM);
  });
  EXPECT_THAT(got.status().code(),
              AnyOf(absl::StatusCode::kUnavailable, absl::StatusCode::kCancelled));
  const auto status = up_->WaitForExit(absl::Seconds(20));
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_LT(absl::Now() - asked, absl::Seconds(10));
  ExpectAllGone();
}

TEST_F(ClusterLifeTest, AKilledSupervisorTakesItsProcessesAlong) {
  ASSERT_NO_FATAL_FAILURE(Start(1, 2));
  up_->Signal(SIGKILL);
  ASSERT_TRUE(up_->WaitForExit(absl::Seconds(5)).ok());
  const absl::Time deadline = absl::Now() + absl::Seconds(5);
  while (absl::Now() < deadline && !std::all_of(children_.begin(), children_.end(), IsGone)) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  ExpectAllGone();
}

TEST_F(ClusterLifeTest, NoStreamDiesWithAnExpertWorker) {
  KillOneWhileStreamsRun(v1::ROLE_EXPERT, 1, 3);
}

TEST_F(ClusterLifeTest, NoStreamDiesWithAnAttentionWorker) {
  KillOneWhileStreamsRun(v1::ROLE_ATTENTION, 2, 2);
}

TEST_F(ClusterLifeTest, ARouterThatDiedIsThereAgainAtItsPort) {
  ASSERT_NO_FATAL_FAILURE(Start(1, 2));
  const auto requests = MakeRequests(4, 250, 16);
  const auto wanted = AskCluster(up_->target(), requests);
  ASSERT_TRUE(wanted.ok()) << wanted.status();
  const auto before = up_->Status();
  ASSERT_TRUE(before.ok()) << before.status();
  // It is the first that was started.
  kill(*std::min_element(children_.begin(), children_.end()), SIGKILL);
  const auto after = up_->WaitUntil([](const v1::ClusterStatus& status) {
    return !WorkersOf(status, v1::ROLE_ATTENTION).empty() && status.experts_covered() == 16;
  });
  ASSERT_TRUE(after.ok()) << after.status();
  // The workers are those of before, and numbers of epochs do not begin anew.
  EXPECT_EQ(WorkersOf(*after, v1::ROLE_EXPERT).front().pid(),
            WorkersOf(*before, v1::ROLE_EXPERT).front().pid());
  EXPECT_GE(after->epoch(), before->epoch());
  const auto got = AskCluster(up_->target(), requests);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(*got, *wanted);
}

}  // namespace
}  // namespace sextant
