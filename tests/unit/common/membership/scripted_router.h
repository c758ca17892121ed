// A router whose side of Cluster.Join the test plays by hand.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/rpc/server.h"
#include "common/rpc/status.h"
#include "proto/sextant/v1/cluster.grpc.pb.h"

namespace sextant {

constexpr std::chrono::seconds kPatience{20};  // for what must happen

class ScriptedRouter final : public v1::Cluster::Service {
 public:
  // One stream. Every method is called by the test's thread.
  class Session {
   public:
    // The next message that is no heartbeat; nothing when the stream ends, or none comes in time.
    std::optional<v1::WorkerMessage> Next() { return Take(false); }
    std::optional<v1::WorkerMessage> NextHeartbeat() { return Take(true); }

    void Send(const v1::CoordinatorMessage& message) { stream_->Write(message); }
    void Welcome(const std::string& profile, int death_ms = 60'000) {
      v1::CoordinatorMessage message;
      message.mutable_welcome()->set_numeric_profile(profile);
      message.mutable_welcome()->set_heartbeat_milliseconds(10);
      message.mutable_welcome()->set_death_milliseconds(death_ms);
      Send(message);
    }
    void Prepare(std::uint64_t epoch) {
      v1::CoordinatorMessage message;
      message.mutable_prepare()->set_epoch(epoch);
      Send(message);
    }
    void Commit(std::uint64_t epoch) {
      v1::CoordinatorMessage message;
      message.mutable_commit()->set_epoch(epoch);
      Send(message);
    }
    void Retire(std::uint64_t epoch) {
      v1::CoordinatorMessage message;
      message.mutable_retire()->set_epoch(epoch);
      Send(message);
    }
    void Halt(std::uint64_t before) {
      v1::CoordinatorMessage message;
      message.mutable_halt()->set_before(before);
      Send(message);
    }
    void Goodbye() {
      v1::CoordinatorMessage message;
      message.mutable_goodbye()->set_reason("drained");
      Send(message);
    }
    // With the next message that comes, be it a heartbeat.
    void End(const absl::Status& status) {
      const std::lock_guard<std::mutex> lock(mutex_);
      end_ = status;
    }
    // Whether the worker has ended the stream, or does so in time.
    bool WaitUntilOver() {
      std::unique_lock<std::mutex> lock(mutex_);
      return changed_.wait_for(lock, kPatience, [this] { return over_; });
    }

   private:
    friend class ScriptedRouter;

    std::optional<v1::WorkerMessage> Take(bool heartbeats) {
      std::unique_lock<std::mutex> lock(mutex_);
      auto& queue = heartbeats ? heartbeats_ : messages_;
      changed_.wait_for(lock, kPatience, [&] { return over_ || !queue.empty(); });
      if (queue.empty()) return std::nullopt;
      v1::WorkerMessage message = std::move(queue.front());
      queue.pop_front();
      return message;
    }

    grpc::ServerReaderWriter<v1::CoordinatorMessage, v1::WorkerMessage>* stream_ = nullptr;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<v1::WorkerMessage> messages_;
    std::deque<v1::WorkerMessage> heartbeats_;
    std::optional<absl::Status> end_;
    bool over_ = false;
  };

  explicit ScriptedRouter(const std::string& listen = "127.0.0.1:0")
      : server_(RpcServer::Start({.listen = {listen}, .services = {this}}).value()) {}

  std::string target() const { return server_->targets()[0]; }

  // Every stream that is opened from now on ends with `status` after its hello.
  void Refuse(const absl::Status& status) {
    const std::lock_guard<std::mutex> lock(mutex_);
    refusal_ = status;
  }

  // The n-th stream that was opened, counted from 0.
  std::shared_ptr<Session> session(std::size_t n) {
    std::unique_lock<std::mutex> lock(mutex_);
    const bool there = changed_.wait_for(lock, kPatience, [&] { return sessions_.size() > n; });
    return there ? sessions_[n] : nullptr;
  }

 private:
  grpc::Status Join(
      grpc::ServerContext* /*context*/,
      grpc::ServerReaderWriter<v1::CoordinatorMessage, v1::WorkerMessage>* stream) override {
    auto session = std::make_shared<Session>();
    session->stream_ = stream;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      sessions_.push_back(session);
      session->end_ = refusal_;
    }
    changed_.notify_all();
    v1::WorkerMessage message;
    while (stream->Read(&message)) {
      const std::lock_guard<std::mutex> lock(session->mutex_);
      auto& queue = message.has_heartbeat() ? session->heartbeats_ : session->messages_;
      queue.push_back(message);
      session->changed_.notify_all();
      if (session->end_.has_value()) break;
    }
    const std::lock_guard<std::mutex> lock(session->mutex_);
    session->over_ = true;
    session->changed_.notify_all();
    return ToGrpc(session->end_.value_or(absl::OkStatus()));
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Session>> sessions_;
  std::optional<absl::Status> refusal_;
  std::unique_ptr<RpcServer> server_;
};

}  // namespace sextant
