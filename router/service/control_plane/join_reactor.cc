#include "router/service/control_plane/join_reactor.h"

#include <utility>

#include "common/rpc/status.h"

namespace sextant {
namespace {

constexpr std::size_t kMostOutgoing = 64;

}  // namespace

JoinReactor* JoinReactor::Open(CoordinatorThread& coordinator,
                               grpc::CallbackServerContext& context) {
  const std::shared_ptr<JoinReactor> reactor(new JoinReactor(coordinator, context));
  reactor->self_ = reactor;
  reactor->stream_ = coordinator.Open(reactor);
  reactor->StartRead(&reactor->incoming_);
  return reactor.get();
}

bool JoinReactor::Send(const v1::CoordinatorMessage& message) {
  const MutexLock lock(mutex_);
  if (end_.has_value()) return true;  // nobody hears it
  if (outgoing_.size() >= kMostOutgoing) return false;
  outgoing_.push_back(message);
  if (!writing_) {
    writing_ = true;
    StartWrite(&outgoing_.front());
  }
  return true;
}

void JoinReactor::End(const absl::Status& status) {
  const MutexLock lock(mutex_);
  if (end_.has_value()) return;
  end_ = status;
  // To a peer that does not read, a write never ends by itself.
  if (writing_ && !status.ok()) context_.TryCancel();
  FinishIfIdle();
}

void JoinReactor::FinishIfIdle() {
  if (writing_ || finished_ || !end_.has_value()) return;
  finished_ = true;
  Finish(ToGrpc(*end_));
}

void JoinReactor::OnReadDone(bool ok) {
  if (!ok) {
    coordinator_.Close(stream_);
    End(absl::UnavailableError("the worker ended the stream"));
    return;
  }
  if (!coordinator_.Receive(stream_, std::move(incoming_))) {
    coordinator_.Close(stream_);
    End(absl::UnavailableError("the coordinator takes no more work now; join anew"));
    return;
  }
  const MutexLock lock(mutex_);
  if (end_.has_value()) return;
  incoming_.Clear();
  StartRead(&incoming_);
}

void JoinReactor::OnWriteDone(bool ok) {
  const MutexLock lock(mutex_);
  outgoing_.pop_front();
  if (!ok) outgoing_.clear();
  writing_ = !outgoing_.empty();
  if (writing_) {
    StartWrite(&outgoing_.front());
  } else {
    FinishIfIdle();
  }
}

void JoinReactor::OnDone() {
  coordinator_.Close(stream_);
  const std::shared_ptr<JoinReactor> last = std::move(self_);
}

}  // namespace sextant
