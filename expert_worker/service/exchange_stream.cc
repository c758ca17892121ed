#include "expert_worker/service/exchange_stream.h"

#include <utility>

#include "common/exchange/byte_buffer.h"

namespace sextant {

ExchangeStream* ExchangeStream::Start(DispatchWorker& worker, std::function<void()> on_end) {
  std::shared_ptr<ExchangeStream> stream(new ExchangeStream(worker, std::move(on_end)));
  stream->self_ = stream;
  Next next;
  {
    const MutexLock lock(stream->mutex_);
    next = stream->Decide();
  }
  stream->Do(next);
  return stream.get();
}

ExchangeStream::Next ExchangeStream::Decide() {
  Next next;
  if (finished_) return next;
  if (cut_off_ && !writing_) outgoing_.clear();
  if (!writing_ && !outgoing_.empty()) {
    writing_ = true;
    next.write = &outgoing_.front();  // stays where it is until OnWriteDone removes it
  }
  const bool room = unanswered_ < kMaxUnanswered && unanswered_bytes_ < kMaxUnansweredBytes;
  if (!reading_ && !no_more_ && !cut_off_ && room) {
    reading_ = true;
    next.read = true;
  }
  if (!reading_ && !writing_ && (cut_off_ || (no_more_ && unanswered_ == 0))) {
    finished_ = true;
    next.finish = true;
  }
  return next;
}

void ExchangeStream::Do(const Next& next) {
  if (next.write != nullptr) StartWrite(next.write);
  if (next.read) StartRead(&incoming_);
  if (next.finish) Finish(grpc::Status::OK);
}

void ExchangeStream::OnReadDone(bool ok) {
  if (ok) {
    {
      const MutexLock lock(mutex_);
      ++unanswered_;
    }
    Receive(std::exchange(incoming_, {}));
  }
  Next next;
  {
    const MutexLock lock(mutex_);
    reading_ = false;
    if (!ok) no_more_ = true;
    next = Decide();
  }
  Do(next);
}

void ExchangeStream::Receive(const grpc::ByteBuffer& bytes) {
  const auto received = std::make_shared<const ReceivedBytes>(bytes);
  PendingDispatch pending;
  const absl::Status status = ParseDispatchFrame(received->chunks(), pending.frame);
  const std::uint64_t dispatch = pending.frame.header.dispatch;
  if (!status.ok()) return Refuse(dispatch, status);
  pending.bytes = received;
  pending.source = shared_from_this();
  if (!worker_.Push(std::move(pending))) {
    Refuse(dispatch, absl::UnavailableError("this expert worker takes no more dispatches now"));
  }
}

void ExchangeStream::Refuse(std::uint64_t dispatch, const absl::Status& why) {
  Answer(StartOutputFrame({.dispatch = dispatch,
                           .code = static_cast<std::int32_t>(why.code()),
                           .message = std::string(why.message())},
                          0));
}

bool ExchangeStream::gone() const {
  const MutexLock lock(mutex_);
  return cut_off_ || finished_;
}

void ExchangeStream::Answer(FrameBytes frame) {
  grpc::ByteBuffer bytes = ToByteBuffer(std::move(frame));
  Next next;
  {
    const MutexLock lock(mutex_);
    if (cut_off_ || finished_) return;
    unanswered_bytes_ += static_cast<std::int64_t>(bytes.Length());
    outgoing_.push_back(std::move(bytes));
    next = Decide();
  }
  Do(next);
}

void ExchangeStream::OnWriteDone(bool ok) {
  Next next;
  {
    const MutexLock lock(mutex_);
    unanswered_bytes_ -= static_cast<std::int64_t>(outgoing_.front().Length());
    --unanswered_;
    outgoing_.pop_front();
    writing_ = false;
    if (!ok) cut_off_ = true;
    next = Decide();
  }
  Do(next);
}

void ExchangeStream::OnCancel() {
  Next next;
  {
    const MutexLock lock(mutex_);
    cut_off_ = true;
    next = Decide();
  }
  Do(next);
}

void ExchangeStream::OnDone() {
  const std::shared_ptr<ExchangeStream> self = std::move(self_);
  on_end_();
}

}  // namespace sextant
