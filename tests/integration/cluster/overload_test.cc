// More than a cluster can take, and clients that do not play their part: everybody is served or
// told when to come back, nobody pays for another, and memory stays what it was.
//
// SEXTANT_OVERLOAD_ROUNDS: rounds of 10,000 requests that are measured [1; more for a long run].
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/client/inference_client.h"
#include "common/base/address_sanitizer.h"
#include "common/errors/error_details.h"
#include "common/rpc/channel.h"
#include "proto/sextant/v1/inference.grpc.pb.h"
#include "tests/integration/cluster/asked_requests.h"
#include "tests/integration/cluster/up_process.h"

namespace sextant {
namespace {

// Sanitized processes are slow, and their memory is their sanitizer's as well.
constexpr int kAtOnce = kAddressSanitizer ? 2'000 : 10'000;
constexpr int kUnread = kAddressSanitizer ? 100 : 500;  // tokens
constexpr absl::Duration kLongest = absl::Minutes(2);
constexpr std::int64_t kMebibyte = 1 << 20;

std::string Model() { return std::string(SEXTANT_SOURCE_DIR) + "/tests/golden/model/lite"; }

int Rounds() {
  const char* rounds = std::getenv("SEXTANT_OVERLOAD_ROUNDS");
  return rounds == nullptr ? 1 : std::atoi(rounds);
}

std::int64_t ResidentBytes(int pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/statm"));
  std::int64_t pages = 0;
  file >> pages >> pages;
  return pages * 4096;
}

v1::GenerateRequest Request(int max_tokens) {
  v1::GenerateRequest request;
  for (const std::int32_t id : {3, 5, 7}) request.mutable_token_ids()->add_ids(id);
  request.mutable_params()->set_max_tokens(max_tokens);
  request.mutable_params()->set_ignore_eos(true);
  request.mutable_params()->mutable_sampling()->set_temperature(0);
  return request;
}

struct Counts {
  int served = 0;   // with every token
  int refused = 0;  // for a full queue, with a delay
  std::vector<absl::Status> wrong{};
};

// Sends so many requests for `max_tokens` tokens at once and waits for all ends.
Counts AskAtOnce(const std::string& target, int requests, int max_tokens) {
  std::mutex mutex;
  std::condition_variable changed;
  Counts counts;
  int ended = 0;
  std::vector<int> got(static_cast<std::size_t>(requests));
  cli::InferenceClient client(target);
  for (std::size_t i = 0; i < got.size(); ++i) {
    static_cast<void>(client.Generate(
        Request(max_tokens), {.timeout = kLongest},
        [&got, i](const v1::GenerateResponse& piece) { got[i] += piece.token_ids_size(); },
        [&, i](const absl::Status& status) {
          const std::lock_guard<std::mutex> lock(mutex);
          if (status.ok() && got[i] == max_tokens) {
            ++counts.served;
          } else if (absl::IsResourceExhausted(status) && RetryDelay(status).has_value()) {
            ++counts.refused;
          } else {
            counts.wrong.push_back(status);
          }
          ++ended;
          changed.notify_one();
        }));
  }
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [&] { return ended == requests; });
  return counts;
}

class OverloadTest : public ::testing::Test {
 protected:
  void Start(const std::string& yaml = "") {
    auto up = UpProcess::Start({.model = Model(), .yaml = yaml});
    ASSERT_TRUE(up.ok()) << up.status();
    up_ = *std::move(up);
    for (const int child : ChildrenOf(up_->pid())) {
      if (router_ == 0 || child < router_) router_ = child;  // it is started first
    }
    ASSERT_GT(router_, 0);
  }

  // No sequence is left, and no block of the latent cache is held.
  void ExpectAllFree() {
    const auto status = up_->WaitUntil([](const v1::ClusterStatus& now) {
      bool free = now.queue().running() == 0 && now.queue().queued() == 0;
      for (const v1::WorkerStatus& worker : now.workers()) {
        free = free && worker.running() == 0 && worker.waiting() == 0 &&
               worker.free_blocks() == worker.cache_blocks();
      }
      return free;
    });
    EXPECT_TRUE(status.ok()) << status.status();
  }

  // Streams of others: as fast and as right as ever.
  void ExpectOthersAreServed() {
    const auto requests = MakeRequests(16, 250, 24);
    const auto wanted = AskOneProcess(Model(), requests);
    ASSERT_TRUE(wanted.ok()) << wanted.status();
    const auto got = AskCluster(up_->target(), requests);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(*got, *wanted);
  }

  std::unique_ptr<UpProcess> up_;
  int router_ = 0;
};

TEST_F(OverloadTest, TenThousandAtOnceAreServedOrToldWhenToComeBackInFlatMemory) {
  ASSERT_NO_FATAL_FAILURE(Start("router:\n  queue: 256\n"));
  // The first crowds show how much memory one takes; it is kept for the next. How many of a crowd
  // are there at the same moment varies, and with it what it takes.
  for (int crowd = 0; crowd < 4; ++crowd) AskAtOnce(up_->target(), kAtOnce, 4);
  const std::int64_t before = ResidentBytes(router_);
  for (int round = 0; round < Rounds(); ++round) {
    const Counts counts = AskAtOnce(up_->target(), kAtOnce, 4);
    EXPECT_THAT(counts.wrong, ::testing::IsEmpty());
    EXPECT_GE(counts.served, 256);
    EXPECT_EQ(counts.served + counts.refused, kAtOnce);
  }
  const std::int64_t after = ResidentBytes(router_);
  RecordProperty("router_mebibytes_before", static_cast<int>(before / kMebibyte));
  RecordProperty("router_mebibytes_after", static_cast<int>(after / kMebibyte));
  if (!kAddressSanitizer) {
    EXPECT_LT(after, before + 96 * kMebibyte);
  }
  ExpectAllFree();
  ExpectOthersAreServed();
}

TEST_F(OverloadTest, ClientsThatNeverReadCostOthersNothing) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ExpectOthersAreServed();
  const std::int64_t before = ResidentBytes(router_);
  const auto stub = v1::Inference::NewStub(OpenChannel(up_->target()));
  v1::GenerateRequest request = Request(kUnread);
  request.mutable_params()->set_n(2);
  request.mutable_params()->mutable_sampling()->set_logprobs(20);
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::GenerateResponse>>> readers;
  for (int i = 0; i < 4; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(stub->Generate(contexts.back().get(), request));
  }
  ExpectOthersAreServed();
  // Their answers are computed to the end all the same, and wait for them.
  ExpectAllFree();
  if (!kAddressSanitizer) {
    EXPECT_LT(ResidentBytes(router_), before + 256 * kMebibyte);
  }
  ExpectOthersAreServed();
  for (std::size_t i = 0; i < readers.size(); ++i) {
    contexts[i]->TryCancel();
    static_cast<void>(readers[i]->Finish());
  }
}

TEST_F(OverloadTest, AClientThatVanishesFreesWhatItHeld) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto processes = cli::ChildProcesses::Open();
  ASSERT_TRUE(processes.ok()) << processes.status();
  const auto pid =
      (*processes)
          ->Start({.name = "client",
                   .arguments = {SEXTANT_PROGRAM, "bench", "serve", "--router", up_->target(),
                                 "--concurrency", "8", "--requests", "1000", "--max-tokens", "3000",
                                 "--warmup", "0", "--prompt-tokens", "8"}});
  ASSERT_TRUE(pid.ok()) << pid.status();
  const auto running =
      up_->WaitUntil([](const v1::ClusterStatus& status) { return status.queue().running() == 8; });
  ASSERT_TRUE(running.ok()) << running.status();
  (*processes)->Signal(*pid, SIGKILL);
  ExpectAllFree();
  ExpectOthersAreServed();
}

TEST_F(OverloadTest, WhatIsCancelledFreesWhatItHeld) {
  ASSERT_NO_FATAL_FAILURE(Start());
  std::mutex mutex;
  std::condition_variable changed;
  int begun = 0;
  std::vector<absl::StatusCode> ends;
  cli::InferenceClient client(up_->target());
  std::vector<std::shared_ptr<cli::Answer>> answers;
  for (int i = 0; i < 8; ++i) {
    answers.push_back(client.Generate(
        Request(3000), {.timeout = kLongest},
        [&, first = true](const v1::GenerateResponse& /*piece*/) mutable {
          if (!std::exchange(first, false)) return;
          const std::lock_guard<std::mutex> lock(mutex);
          ++begun;
          changed.notify_one();
        },
        [&](const absl::Status& status) {
          const std::lock_guard<std::mutex> lock(mutex);
          ends.push_back(status.code());
          changed.notify_one();
        }));
  }
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [&] { return begun == 8 || !ends.empty(); });
  lock.unlock();
  for (const auto& answer : answers) answer->Cancel();
  lock.lock();
  changed.wait(lock, [&] { return ends.size() == 8; });
  EXPECT_THAT(ends, ::testing::Each(absl::StatusCode::kCancelled));
  lock.unlock();
  ExpectAllFree();
}

}  // namespace
}  // namespace sextant
