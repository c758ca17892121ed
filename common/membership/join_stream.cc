#include "common/membership/join_stream.h"

#include "common/rpc/channel.h"
#include "common/rpc/status.h"

namespace sextant {

JoinStream::JoinStream(const std::string& target)
    : channel_(OpenChannel(target)), stub_(v1::Cluster::NewStub(channel_)) {
  context_.set_wait_for_ready(true);
}

JoinStream::~JoinStream() = default;

void JoinStream::Open() { stream_ = stub_->Join(&context_); }

bool JoinStream::Write(const v1::WorkerMessage& message) { return stream_->Write(message); }

bool JoinStream::Read(v1::CoordinatorMessage& message) { return stream_->Read(&message); }

void JoinStream::Cancel() { context_.TryCancel(); }

absl::Status JoinStream::Finish() { return FromGrpc(stream_->Finish()); }

}  // namespace sextant
