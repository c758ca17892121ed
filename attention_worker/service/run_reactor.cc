#include "attention_worker/service/run_reactor.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "attention_worker/service/translate.h"
#include "common/base/status.h"
#include "common/rpc/status.h"

namespace sextant {
namespace {

template <typename Message>
bool Parse(grpc::ByteBuffer& bytes, Message& message) {
  return grpc::SerializationTraits<Message>::Deserialize(&bytes, &message).ok();
}

}  // namespace

RunReactor* RunReactor::Start(AttentionService& service) {
  auto* reactor = new RunReactor(service);
  reactor->self_.reset(reactor);
  // The engine may call before this returns, and waits for the lock.
  const MutexLock lock(reactor->mutex_);
  if (service.engine() == nullptr) {
    reactor->EndWith(absl::UnavailableError("the worker has not joined its cluster yet"));
    return reactor;
  }
  auto stream = service.engine()->Open(reactor->self_);
  if (!stream.ok()) {
    reactor->EndWith(stream.status());
    return reactor;
  }
  reactor->stream_ = *std::move(stream);
  reactor->ReadNext();
  return reactor;
}

void RunReactor::ReadNext() {
  if (!finished_ && !end_.has_value()) StartRead(&in_);
}

void RunReactor::OnReadDone(bool ok) {
  const MutexLock lock(mutex_);
  if (!ok) {
    stream_->EndCommands();
    return;
  }
  v1::AttentionCommand command;
  if (!Parse(in_, command)) {
    return Break(absl::InvalidArgumentError("the bytes are no AttentionCommand"));
  }
  if (const absl::Status status = Handle(command); !status.ok()) Break(status);
}

absl::Status RunReactor::Handle(v1::AttentionCommand& command) {
  if (command.has_configure() != (banned_ids_ == nullptr)) {
    return absl::InvalidArgumentError(
        banned_ids_ == nullptr ? "the first command of a stream is configure"
                               : "configure comes once, as the first command of a stream");
  }
  switch (command.kind_case()) {
    case v1::AttentionCommand::kConfigure:
      RETURN_IF_ERROR(Configure(command.configure()));
      ReadNext();
      return absl::OkStatus();
    case v1::AttentionCommand::kStart:
      StartSequence(command.start());
      return absl::OkStatus();
    case v1::AttentionCommand::kCancel:
      Push(CancelCommand{.sequence = command.cancel().sequence()});
      return absl::OkStatus();
    default:
      return absl::InvalidArgumentError("the command is neither configure, start nor cancel");
  }
}

absl::Status RunReactor::Configure(const v1::ConfigureStream& configure) {
  ASSIGN_OR_RETURN(banned_ids_, service_.ShareBannedIds(configure.banned_ids()));
  *pending_.mutable_load() = ToProto(service_.engine()->load());
  WritePending();
  return absl::OkStatus();
}

void RunReactor::StartSequence(const v1::StartSequence& start) {
  absl::StatusOr<GenerationRequest> request = ToGenerationRequest(start);
  if (request.ok()) {
    request->banned_ids = banned_ids_;
    return Push(StartCommand{.sequence = start.sequence(), .request = *std::move(request)});
  }
  *pending_.add_events() =
      ToProto(StreamEvent{.sequence = start.sequence(), .token = request.status(), .finish = {}});
  *pending_.mutable_load() = ToProto(service_.engine()->load());
  WritePending();
  ReadNext();
}

void RunReactor::Push(StreamCommand command) {
  if (stream_->TryPush(std::move(command))) {
    ReadNext();
  } else {
    held_ = std::move(command);
  }
}

void RunReactor::OnRoom() {
  const MutexLock lock(mutex_);
  if (!held_.has_value()) return;
  StreamCommand command = std::move(*held_);
  held_.reset();
  Push(std::move(command));
}

void RunReactor::OnEvents(std::vector<StreamEvent> events, const EngineLoad& load) {
  const MutexLock lock(mutex_);
  if (end_.has_value()) return;
  for (const StreamEvent& event : events) *pending_.add_events() = ToProto(event);
  *pending_.mutable_load() = ToProto(load);
  if (pending_.events_size() > kMaxPendingEvents) {
    return Break(absl::ResourceExhaustedError(
        absl::StrCat("the router has not read ", pending_.events_size(), " events")));
  }
  WritePending();
}

void RunReactor::WritePending() {
  if (writing_ || finished_ || !pending_.has_load()) return;
  out_.Clear();
  bool own_buffer = false;
  const grpc::Status status =
      grpc::SerializationTraits<v1::AttentionEvents>::Serialize(pending_, &out_, &own_buffer);
  pending_.Clear();
  if (!status.ok()) return Break(FromGrpc(status));
  writing_ = true;
  StartWrite(&out_);
}

void RunReactor::OnWriteDone(bool ok) {
  const MutexLock lock(mutex_);
  writing_ = false;
  if (!ok) return Break(absl::CancelledError("the router has gone"));
  WritePending();
  if (end_.has_value()) EndWith(*end_);
}

void RunReactor::OnEnd(const absl::Status& status) {
  const MutexLock lock(mutex_);
  EndWith(status);
}

void RunReactor::EndWith(const absl::Status& status) {
  if (!end_.has_value()) end_ = status;
  if (writing_ || finished_) return;
  finished_ = true;
  Finish(ToGrpc(*end_));
}

void RunReactor::Break(const absl::Status& status) {
  if (stream_ != nullptr) stream_->Abandon();
  pending_.Clear();
  EndWith(status);
}

void RunReactor::OnCancel() {
  const MutexLock lock(mutex_);
  Break(absl::CancelledError("the router has gone"));
}

void RunReactor::OnDone() {
  {
    const MutexLock lock(mutex_);
    if (stream_ != nullptr) stream_->Abandon();
  }
  const std::shared_ptr<RunReactor> last = std::move(self_);  // destroyed after this returns
}

}  // namespace sextant
