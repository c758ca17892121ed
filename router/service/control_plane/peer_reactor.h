// One stream of a worker or a host: between gRPC's threads and the coordinator's.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "common/rpc/status.h"
#include "router/coordinator/coordinator_thread.h"

namespace sextant {

// Owns itself until gRPC is done with it; the coordinator shares it until it has ended the stream.
template <typename Incoming, typename Outgoing>
class PeerReactor final : public grpc::ServerBidiReactor<Incoming, Outgoing>,
                          public PeerStream<Outgoing> {
 public:
  // The coordinator's side of such a stream; as in CoordinatorThread.
  struct Port {
    std::function<StreamId(std::shared_ptr<PeerStream<Outgoing>> stream)> open;
    std::function<bool(StreamId stream, Incoming message)> receive;
    std::function<void(StreamId stream)> close;
  };

  // What `port` refers to outlives the server.
  static PeerReactor* Open(Port port, grpc::CallbackServerContext& context) {
    const std::shared_ptr<PeerReactor> reactor(new PeerReactor(std::move(port), context));
    reactor->self_ = reactor;
    reactor->stream_ = reactor->port_.open(reactor);
    reactor->StartRead(&reactor->incoming_);
    return reactor.get();
  }

  bool Send(const Outgoing& message) override {
    const MutexLock lock(mutex_);
    if (end_.has_value()) return true;  // nobody hears it
    if (outgoing_.size() >= kMostOutgoing) return false;
    outgoing_.push_back(message);
    if (!writing_) {
      writing_ = true;
      this->StartWrite(&outgoing_.front());
    }
    return true;
  }

  void End(const absl::Status& status) override {
    const MutexLock lock(mutex_);
    if (end_.has_value()) return;
    end_ = status;
    // To a peer that does not read, a write never ends by itself.
    if (writing_ && !status.ok()) context_.TryCancel();
    FinishIfIdle();
  }

 private:
  static constexpr std::size_t kMostOutgoing = 64;

  PeerReactor(Port port, grpc::CallbackServerContext& context)
      : port_(std::move(port)), context_(context) {}

  void OnReadDone(bool ok) override {
    if (!ok) {
      port_.close(stream_);
      End(absl::UnavailableError("the peer ended the stream"));
      return;
    }
    if (!port_.receive(stream_, std::move(incoming_))) {
      port_.close(stream_);
      End(absl::UnavailableError("the coordinator takes no more work now; join anew"));
      return;
    }
    const MutexLock lock(mutex_);
    if (end_.has_value()) return;
    incoming_.Clear();
    this->StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override {
    const MutexLock lock(mutex_);
    outgoing_.pop_front();
    if (!ok) outgoing_.clear();
    writing_ = !outgoing_.empty();
    if (writing_) {
      this->StartWrite(&outgoing_.front());
    } else {
      FinishIfIdle();
    }
  }

  void OnDone() override {
    port_.close(stream_);
    const std::shared_ptr<PeerReactor> last = std::move(self_);
  }

  void FinishIfIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_ || !end_.has_value()) return;
    finished_ = true;
    this->Finish(ToGrpc(*end_));
  }

  const Port port_;
  grpc::CallbackServerContext& context_;
  StreamId stream_ = 0;
  Incoming incoming_;
  std::shared_ptr<PeerReactor> self_;

  Mutex mutex_;
  std::deque<Outgoing> outgoing_ ABSL_GUARDED_BY(mutex_);  // front: being written
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace sextant
