#include "router/service/answer_stream.h"

#include <utility>

#include "common/rpc/status.h"
#include "router/service/inference_messages.h"

namespace sextant::router {

std::shared_ptr<AnswerStream> AnswerStream::Make(std::function<void()> on_cancel) {
  std::shared_ptr<AnswerStream> stream(new AnswerStream(std::move(on_cancel)));
  stream->self_ = stream;
  return stream;
}

AnswerStream::Next AnswerStream::TakeNext() {
  if (busy_) return Next::kNothing;
  if (!pending_.empty() && !gone_) {
    busy_ = true;
    message_.Clear();
    WritePiece(request_id_, pending_.front(), message_);
    pending_.erase(pending_.begin());
    if (!end_.has_value() || !pending_.empty()) return Next::kWrite;
    final_ = ToGrpc(*end_);
    return Next::kWriteLast;
  }
  if (!end_.has_value()) return Next::kNothing;
  busy_ = true;
  final_ = ToGrpc(*end_);
  return Next::kFinish;
}

void AnswerStream::Do(Next next) {
  switch (next) {
    case Next::kNothing:
      return;
    case Next::kWrite:
      StartWrite(&message_);
      return;
    case Next::kWriteLast:
      StartWriteAndFinish(&message_, grpc::WriteOptions(), final_);
      return;
    case Next::kFinish:
      Finish(final_);
      return;
  }
}

void AnswerStream::Send(Piece piece) {
  Next next = Next::kNothing;
  {
    const MutexLock lock(mutex_);
    if (gone_) return;
    // The request's last piece goes with its end, which follows at once.
    const bool last = piece.usage.has_value();
    bool joined = false;
    for (Piece& waiting : pending_) {
      if (waiting.index != piece.index) continue;
      Append(waiting, std::move(piece));
      joined = true;
      break;
    }
    if (!joined) pending_.push_back(std::move(piece));
    if (!last) next = TakeNext();
  }
  Do(next);
}

void AnswerStream::End(absl::Status status) {
  Next next = Next::kNothing;
  {
    const MutexLock lock(mutex_);
    end_ = std::move(status);
    next = TakeNext();
  }
  Do(next);
}

void AnswerStream::OnWriteDone(bool ok) {
  const std::shared_ptr<AnswerStream> self = self_;  // Finish may end it
  Next next = Next::kNothing;
  {
    const MutexLock lock(mutex_);
    busy_ = false;
    if (!ok) {
      gone_ = true;
      pending_.clear();
    }
    next = TakeNext();
  }
  Do(next);
}

void AnswerStream::OnCancel() {
  gone_ = true;
  on_cancel_();
}

void AnswerStream::OnDone() { self_ = nullptr; }

}  // namespace sextant::router
