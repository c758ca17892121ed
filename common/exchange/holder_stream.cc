#include "common/exchange/holder_stream.h"

#include <grpcpp/generic/generic_stub.h>

#include <utility>

#include "common/exchange/byte_buffer.h"
#include "common/rpc/status.h"

namespace sextant {

std::shared_ptr<HolderStream> HolderStream::Open(const Options& options) {
  std::shared_ptr<HolderStream> stream(new HolderStream(options));
  stream->self_ = stream;
  options.link.Add();
  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(options.link.channel());
  stub.PrepareBidiStreamingCall(&stream->context_, kExchangeMethod, {}, stream.get());
  // Until it is broken the call must not end: Send starts writes outside of gRPC's callbacks.
  stream->AddHold();
  stream->StartRead(&stream->incoming_);
  stream->StartCall();
  return stream;
}

bool HolderStream::Send(grpc::ByteBuffer frame) {
  const grpc::ByteBuffer* first = nullptr;
  {
    const MutexLock lock(mutex_);
    if (broken_) return false;
    outgoing_.push_back(std::move(frame));
    ++awaited_;
    // The call's own hold is given up only after broken_ is set, so it can take another here.
    if (outgoing_.size() == 1) {
      first = &outgoing_.front();
      AddHold();
    }
  }
  if (first == nullptr) return true;
  StartWrite(first);  // a deque's elements stay where they are; OnWriteDone removes this one
  RemoveHold();
  return true;
}

bool HolderStream::broken() const {
  const MutexLock lock(mutex_);
  return broken_;
}

void HolderStream::Break() {
  {
    const MutexLock lock(mutex_);
    if (std::exchange(broken_, true)) return;
  }
  RemoveHold();
}

void HolderStream::OnReadDone(bool ok) {
  bool unasked = false;
  if (ok) {
    const MutexLock lock(mutex_);
    unasked = awaited_ == 0;
    if (!unasked) --awaited_;
  }
  if (!ok || unasked) {
    if (unasked) context_.TryCancel();  // more answers than questions: no peer of ours
    Break();
    return;
  }
  options_.box.Post({.holder = options_.holder,
                     .stream = options_.stream,
                     .answer = std::exchange(incoming_, {}),
                     .end = absl::OkStatus()});
  StartRead(&incoming_);
}

void HolderStream::OnWriteDone(bool ok) {
  const grpc::ByteBuffer* next = nullptr;
  {
    const MutexLock lock(mutex_);
    outgoing_.pop_front();
    if (!ok) outgoing_.clear();
    if (!outgoing_.empty()) next = &outgoing_.front();
  }
  if (next != nullptr) StartWrite(next);
  // A failed write means that the stream has ended; the read that is under way tells so.
}

void HolderStream::OnDone(const grpc::Status& status) {
  absl::Status end = FromGrpc(status);
  if (end.ok()) end = absl::UnavailableError("the worker has ended the stream");
  options_.box.Post({.holder = options_.holder,
                     .stream = options_.stream,
                     .answer = std::nullopt,
                     .end = std::move(end)});
  ChannelLink& link = options_.link;
  std::shared_ptr<HolderStream> self = std::move(self_);
  self.reset();  // and with it, unless somebody else holds it, the reference to the channel
  link.Remove();
}

}  // namespace sextant
