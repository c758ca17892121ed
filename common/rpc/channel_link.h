// A channel, and how many calls on it have not ended.
//
// A channel must not be destroyed by a thread of gRPC's: the last channel of a process stops those
// threads, and one cannot wait for its own end (gRPC 1.51 frees its queue twice). Calls hold
// references to their channel and give them up on such threads, so whoever opened the channel keeps
// the link until it is idle.
//
// Threads:   every method may be called from any thread.
#pragma once

#include <grpcpp/channel.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

namespace sextant {

class ChannelLink {
 public:
  explicit ChannelLink(std::shared_ptr<grpc::Channel> channel) : channel_(std::move(channel)) {}

  [[nodiscard]] const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  // Around each call's life: Remove comes last, when nothing of the call refers to the channel.
  void Add();
  void Remove();

  [[nodiscard]] bool idle() const;
  void WaitUntilIdle();

 private:
  const std::shared_ptr<grpc::Channel> channel_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int calls_ = 0;
};

}  // namespace sextant
