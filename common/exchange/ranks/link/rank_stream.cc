#include "common/exchange/ranks/link/rank_stream.h"

#include <grpcpp/generic/generic_stub.h>

#include <utility>

#include "common/base/status.h"
#include "common/exchange/ranks/link/rank_messages.h"
#include "common/rpc/status.h"

namespace sextant {

std::shared_ptr<RankStream> RankStream::Open(const Options& options) {
  std::shared_ptr<RankStream> stream(new RankStream(options));
  stream->self_ = stream;
  options.link.Add();
  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(options.link.channel());
  stub.PrepareBidiStreamingCall(&stream->context_, kAttendMethod, {}, stream.get());
  // Until it is broken the call must not end: Send starts writes outside of gRPC's callbacks.
  stream->AddHold();
  {
    const MutexLock lock(stream->mutex_);
    stream->out_ = ToBytes(HelloMessage(options.seat, options.heard));
    stream->writing_ = true;
  }
  stream->StartWrite(&stream->out_);
  stream->StartRead(&stream->in_);
  stream->StartCall();
  return stream;
}

bool RankStream::TakeNext() {
  if (writing_ || broken_) return false;
  if (heard_last_) {
    if (std::exchange(said_so_, true)) return false;
    out_ = ToBytes(HeardLastMessage());
  } else if (offer_.has_value()) {
    out_ = ToBytes(OfferMessage(*std::exchange(offer_, std::nullopt)));
  } else {
    return false;
  }
  writing_ = true;
  return true;
}

void RankStream::Send(const StepOffer& offer) {
  {
    const MutexLock lock(mutex_);
    offer_ = offer;
    if (!TakeNext()) return;
    AddHold();  // the call's own is given up only after broken_ is set
  }
  StartWrite(&out_);
  RemoveHold();
}

void RankStream::OnReadDone(bool ok) {
  if (!ok) return Break();
  const absl::Status received = Receive();
  bool write = false;
  {
    const MutexLock lock(mutex_);
    unsound_ = received;
    write = received.ok() && TakeNext();
  }
  if (!received.ok()) {
    Cancel();
    return Break();
  }
  if (write) StartWrite(&out_);
  StartRead(&in_);
}

absl::Status RankStream::Receive() {
  ASSIGN_OR_RETURN(const v1::ConductorMessage message, ParseConductorMessage(in_));
  in_.Clear();
  const std::uint64_t epoch = options_.seat.epoch;
  if (message.has_call()) {
    ASSIGN_OR_RETURN(const StepCall call, ToCall(epoch, message.call()));
    RETURN_IF_ERROR(options_.owner.OnCall(call));
    const MutexLock lock(mutex_);
    heard_ = call.step.number;
    return absl::OkStatus();
  }
  if (!message.has_last()) {
    return absl::InvalidArgumentError("the message is neither a call nor a last step");
  }
  RETURN_IF_ERROR(options_.owner.OnLast(ToLast(epoch, message.last())));
  const MutexLock lock(mutex_);
  heard_last_ = true;
  return absl::OkStatus();
}

void RankStream::OnWriteDone(bool ok) {
  bool write = false;
  {
    const MutexLock lock(mutex_);
    writing_ = false;
    // A failed write means that the stream has ended; the read that is under way tells so.
    write = ok && TakeNext();
  }
  if (write) StartWrite(&out_);
}

void RankStream::Break() {
  {
    const MutexLock lock(mutex_);
    if (std::exchange(broken_, true)) return;
  }
  RemoveHold();
}

void RankStream::OnDone(const grpc::Status& status) {
  RankStreamEnd end{.seat = options_.seat, .status = FromGrpc(status)};
  {
    const MutexLock lock(mutex_);
    end.heard = heard_;
    end.heard_last = heard_last_;
    end.unsound = !unsound_.ok();
    if (end.unsound) end.status = unsound_;
  }
  if (end.status.ok() && !end.heard_last) {
    end.status = absl::UnavailableError("the conductor has ended the stream");
  }
  ChannelLink& link = options_.link;
  options_.owner.OnEnd(end);
  std::shared_ptr<RankStream> self = std::move(self_);
  self.reset();  // and with it, unless somebody else holds it, the reference to the channel
  link.Remove();
}

}  // namespace sextant
