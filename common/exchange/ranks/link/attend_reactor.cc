#include "common/exchange/ranks/link/attend_reactor.h"

#include <utility>
#include <variant>

#include "common/base/status.h"
#include "common/exchange/ranks/link/rank_messages.h"
#include "common/rpc/status.h"

namespace sextant {

AttendReactor* AttendReactor::Start(ConductorHost& host, std::function<void()> on_end) {
  std::shared_ptr<AttendReactor> reactor(new AttendReactor(host, std::move(on_end)));
  reactor->self_ = reactor;
  const MutexLock lock(reactor->mutex_);
  reactor->Act();
  return reactor.get();
}

void AttendReactor::Act() {
  if (finished_) return;
  if (seat_.has_value() && !writing_ && !end_.has_value()) TakeNews();
  if (end_.has_value()) {
    if (writing_) return;
    finished_ = true;
    Finish(ToGrpc(*end_));
  } else if (!reading_ && (!seat_.has_value() || conducted_)) {
    reading_ = true;
    StartRead(&in_);
  }
}

void AttendReactor::TakeNews() {
  const RankNews news = host_.TakeNews(*seat_);
  if (const auto* end = std::get_if<absl::Status>(&news.what)) return EndWith(*end);
  conducted_ = news.conducted;
  if (const auto* call = std::get_if<StepCall>(&news.what)) {
    out_ = ToBytes(CallMessage(*call));
  } else if (const auto* last = std::get_if<LastStep>(&news.what)) {
    out_ = ToBytes(LastMessage(*last));
    told_last_ = true;
  } else {
    return;
  }
  writing_ = true;
  StartWrite(&out_);
}

void AttendReactor::EndWith(const absl::Status& status) {
  if (!end_.has_value()) end_ = status;
}

void AttendReactor::OnNews() {
  const MutexLock lock(mutex_);
  Act();
}

void AttendReactor::OnReadDone(bool ok) {
  const absl::Status status =
      ok ? Receive() : absl::CancelledError("the rank has said that it says nothing more");
  const MutexLock lock(mutex_);
  reading_ = false;
  if (!status.ok() || heard_last_) EndWith(status);
  Act();
}

absl::Status AttendReactor::Receive() {
  ASSIGN_OR_RETURN(const v1::RankMessage message, ParseRankMessage(in_));
  in_.Clear();
  std::optional<RankSeat> seat;
  {
    const MutexLock lock(mutex_);
    seat = seat_;
    if (message.has_heard_last() && told_last_) {
      heard_last_ = true;
      return absl::OkStatus();
    }
  }
  if (message.has_hello() && !seat.has_value()) {
    return Come(ToSeat(message.hello()), message.hello().heard());
  }
  if (message.has_offer() && seat.has_value()) {
    return host_.Hear(*seat, ToOffer(message.offer()));
  }
  return absl::InvalidArgumentError(
      seat.has_value() ? "after its hello a rank says offers, and that it has heard the last step"
                       : "the first message of a stream is hello");
}

absl::Status AttendReactor::Come(const RankSeat& seat, std::uint64_t heard) {
  RETURN_IF_ERROR(host_.Come(seat, heard, self_));
  const MutexLock lock(mutex_);
  seat_ = seat;
  return absl::OkStatus();
}

void AttendReactor::OnWriteDone(bool ok) {
  const MutexLock lock(mutex_);
  writing_ = false;
  if (!ok) EndWith(absl::CancelledError("the rank has gone"));
  Act();
}

void AttendReactor::OnCancel() {
  const MutexLock lock(mutex_);
  EndWith(absl::CancelledError("the rank has gone"));
  Act();
}

void AttendReactor::OnDone() {
  {
    const MutexLock lock(mutex_);
    if (seat_.has_value()) host_.Leave(*seat_, heard_last_);
  }
  const std::shared_ptr<AttendReactor> last = std::move(self_);  // destroyed after this returns
  on_end_();
}

}  // namespace sextant
