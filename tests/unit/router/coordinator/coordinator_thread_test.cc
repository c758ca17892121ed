#include "router/coordinator/coordinator_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/router/coordinator/hellos.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;

constexpr std::chrono::seconds kPatience{20};

CoordinatorConfig FastConfig() {
  CoordinatorConfig config;
  config.version = kTestVersion;
  config.settle = absl::Milliseconds(60);
  return config;
}

// A worker that answers as soon as it is told, in the coordinator's thread.
class PromptStream final : public CoordinatorStream {
 public:
  explicit PromptStream(CoordinatorThread& coordinator) : coordinator_(coordinator) {}

  static std::shared_ptr<PromptStream> Join(CoordinatorThread& coordinator,
                                            const v1::Hello& hello) {
    auto stream = std::make_shared<PromptStream>(coordinator);
    stream->id_ = coordinator.Open(stream);
    v1::WorkerMessage message;
    *message.mutable_hello() = hello;
    stream->Say(message);
    stream->Beat();
    return stream;
  }

  void Beat() {
    v1::WorkerMessage message;
    message.mutable_heartbeat();
    Say(message);
  }
  void Break() { coordinator_.Close(id_); }
  void StopReading() { reads_ = false; }
  // How the stream ended, or nothing if it does not in time.
  std::optional<absl::Status> WaitForEnd() {
    std::unique_lock<std::mutex> lock(mutex_);
    ended_.wait_for(lock, kPatience, [this] { return end_.has_value(); });
    return end_;
  }

  bool Send(const v1::CoordinatorMessage& message) override {
    v1::WorkerMessage answer;
    if (message.has_prepare()) {
      answer.mutable_prepared()->set_epoch(message.prepare().epoch());
      Say(answer);
    } else if (message.has_commit()) {
      answer.mutable_committed()->set_epoch(message.commit().epoch());
      Say(answer);
    } else if (message.has_retire()) {
      answer.mutable_retired()->set_epoch(message.retire().epoch());
      Say(answer);
    }
    return reads_;
  }
  void End(const absl::Status& status) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    end_ = status;
    ended_.notify_all();
  }

 private:
  void Say(const v1::WorkerMessage& message) {
    static_cast<void>(coordinator_.Receive(id_, message));
  }

  CoordinatorThread& coordinator_;
  std::atomic<StreamId> id_ = 0;
  std::atomic<bool> reads_ = true;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::optional<absl::Status> end_;
};

// Waits for a status that satisfies `condition`.
template <typename Condition>
bool Await(CoordinatorThread& coordinator, Condition condition) {
  std::mutex mutex;
  std::condition_variable changed;
  bool seen = false;
  const std::uint64_t watch = coordinator.board().Watch([&](const StatusBoard::Snapshot& status) {
    const std::lock_guard<std::mutex> lock(mutex);
    seen = seen || condition(*status);
    changed.notify_all();
  });
  bool result = false;
  {
    std::unique_lock<std::mutex> lock(mutex);
    result = changed.wait_for(lock, kPatience, [&] { return seen; });
  }
  coordinator.board().Forget(watch);
  return result;
}

bool IsSteady(const v1::ClusterStatus& status) { return status.phase() == "steady"; }

TEST(CoordinatorThreadTest, MakesAnEpochAndTellsTheListener) {
  std::vector<std::string> listed;  // the coordinator's thread's, until Stop
  CoordinatorThread coordinator(FastConfig(), [] {
    v1::QueueStatus queue;
    queue.set_queued(5);
    return queue;
  });
  coordinator.Subscribe([&](const std::vector<AttentionWorkerInfo>& workers) {
    listed.clear();
    for (const AttentionWorkerInfo& worker : workers) listed.push_back(worker.worker_id);
  });
  coordinator.Start();
  const auto expert = PromptStream::Join(coordinator, ExpertHello("e0"));
  const auto attention = PromptStream::Join(coordinator, AttentionHello("a0"));
  ASSERT_TRUE(Await(coordinator, IsSteady));
  EXPECT_EQ(coordinator.board().newest()->queue().queued(), 5);
  coordinator.Stop();
  EXPECT_THAT(listed, ElementsAre("a0"));
}

TEST(CoordinatorThreadTest, StoppingSendsWorkersToTheNextRouter) {
  CoordinatorThread coordinator(FastConfig(), nullptr);
  coordinator.Start();
  const auto stream = PromptStream::Join(coordinator, ExpertHello("e0"));
  ASSERT_TRUE(Await(coordinator, [](const auto& status) { return status.workers_size() == 1; }));
  coordinator.Stop();
  ASSERT_TRUE(stream->WaitForEnd().has_value());
  EXPECT_EQ(stream->WaitForEnd()->code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(coordinator.Receive(coordinator.Open(stream), v1::WorkerMessage()));
}

TEST(CoordinatorThreadTest, StreamThatDoesNotReadIsEnded) {
  CoordinatorThread coordinator(FastConfig(), nullptr);
  coordinator.Start();
  const auto stream = PromptStream::Join(coordinator, ExpertHello("e0"));
  stream->StopReading();
  ASSERT_TRUE(stream->WaitForEnd().has_value());
  EXPECT_EQ(stream->WaitForEnd()->code(), absl::StatusCode::kResourceExhausted);
}

TEST(CoordinatorThreadTest, DrainAnswersInTheCoordinatorsThread) {
  CoordinatorThread coordinator(FastConfig(), nullptr);
  coordinator.Start();
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<absl::Status> answer;
  coordinator.Drain("nobody", [&](const absl::Status& status) {
    const std::lock_guard<std::mutex> lock(mutex);
    answer = status;
    changed.notify_all();
  });
  std::unique_lock<std::mutex> lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, kPatience, [&] { return answer.has_value(); }));
  EXPECT_EQ(answer->code(), absl::StatusCode::kNotFound);
}

TEST(CoordinatorThreadTest, SettingsOfAnyThreadMakeAnEpoch) {
  CoordinatorThread coordinator(FastConfig(), nullptr);
  coordinator.Start();
  const auto first = PromptStream::Join(coordinator, ExpertHello("e0"));
  const auto second = PromptStream::Join(coordinator, ExpertHello("e1"));
  const auto attention = PromptStream::Join(coordinator, AttentionHello("a0"));
  const auto held = [&](int wanted) {
    return Await(coordinator, [&](const v1::ClusterStatus& status) {
      int sum = 0;
      for (const v1::WorkerStatus& worker : status.workers()) sum += worker.experts_size();
      for (const auto& stream : {first, second, attention}) stream->Beat();
      return IsSteady(status) && sum == wanted;
    });
  };
  ASSERT_TRUE(held(8));
  for (const int replicas : {3, 8, 1}) {
    std::thread other([&] { coordinator.SetPlacement({.replicas = replicas}); });
    other.join();
    EXPECT_TRUE(held(8 + replicas)) << replicas;
  }
}

TEST(CoordinatorThreadTest, ForgottenWatcherIsNotCalledAgain) {
  CoordinatorThread coordinator(FastConfig(), nullptr);
  coordinator.Start();
  for (int i = 0; i < 50; ++i) {
    auto alive = std::make_unique<int>(0);
    const std::uint64_t watch =
        coordinator.board().Watch([&alive](const StatusBoard::Snapshot& /*status*/) { ++*alive; });
    const auto stream = PromptStream::Join(coordinator, ExpertHello(absl::StrCat("e", i)));
    stream->Break();
    coordinator.board().Forget(watch);
    alive = nullptr;
  }
}

TEST(CoordinatorThreadTest, ManyThreadsJoinBeatAndBreakAtOnce) {
  CoordinatorThread coordinator(FastConfig(), nullptr);
  coordinator.Start();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string id = absl::StrCat(t % 2 == 0 ? "e" : "a", t, "-", i);
        const auto stream =
            PromptStream::Join(coordinator, t % 2 == 0 ? ExpertHello(id) : AttentionHello(id));
        for (int beat = 0; beat < 5; ++beat) stream->Beat();
        static_cast<void>(coordinator.board().newest()->workers_size());
        stream->Break();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto expert = PromptStream::Join(coordinator, ExpertHello("e"));
  const auto attention = PromptStream::Join(coordinator, AttentionHello("a"));
  EXPECT_TRUE(Await(coordinator, [&](const v1::ClusterStatus& status) {
    expert->Beat();
    attention->Beat();
    return IsSteady(status) && status.workers_size() == 2;
  }));
}

}  // namespace
}  // namespace sextant
