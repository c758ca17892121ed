#include "router/service/grpc_attention_peers.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <deque>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "proto/sextant/v1/attention.grpc.pb.h"
#include "router/service/attention_messages.h"

namespace sextant::router {
namespace {

// Reports that a stream may have on their way to the domain.
constexpr int kMaxUntaken = 16;

}  // namespace

// One Run stream. It holds itself until gRPC is done with it.
//
// Operations are started outside of reactions too, so the call is held (AddHold) until it is clear
// that no more will be; they are started without the lock, because gRPC may run the reaction before
// the start returns.
class GrpcAttentionPeers::Stream final
    : public grpc::ClientBidiReactor<v1::AttentionCommand, v1::AttentionEvents>,
      public std::enable_shared_from_this<Stream> {
 public:
  Stream(const Options& options, ChannelLink& link, PeerNumber number)
      : options_(options),
        link_(link),
        number_(number),
        stub_(v1::Attention::NewStub(link.channel())) {}

  void Open() {
    self_ = shared_from_this();
    link_.Add();
    outbox_.push_back(ConfigureCommand(options_.banned_ids));
    stub_->async()->Run(&context_, this);
    AddHold();
    ++starting_;  // the first operations, below
    writing_ = true;
    StartWrite(&outbox_.front());
    StartRead(&incoming_);
    StartCall();
    EndStarting();
  }

  void Send(v1::AttentionCommand command) {
    const v1::AttentionCommand* next = nullptr;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (ending_) return;
      outbox_.push_back(std::move(command));
      if (writing_) return;
      writing_ = true;
      ++starting_;
      next = &outbox_.front();
    }
    StartWrite(next);
    EndStarting();
  }

  // Nobody listens any more.
  void Detach() {
    bool paused = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      detached_ = true;
      paused = paused_;
    }
    if (paused) End();  // no read is under way that could end it
    context_.TryCancel();
  }

  void OnWriteDone(bool ok) override {
    const v1::AttentionCommand* next = nullptr;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      outbox_.pop_front();
      writing_ = ok && !ending_ && !outbox_.empty();
      if (!writing_) return;
      ++starting_;
      next = &outbox_.front();
    }
    StartWrite(next);
    EndStarting();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      End();
      return;
    }
    PeerEvents events = ReadEvents(incoming_);
    bool read_on = false;
    bool heard = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      heard = !detached_;
      if (heard) ++untaken_;
      read_on = untaken_ < kMaxUntaken;
      paused_ = !read_on;
      if (read_on) ++starting_;
    }
    if (heard) {
      options_.on_events(number_, std::move(events),
                         [self = shared_from_this()] { self->OnTaken(); });
    }
    if (!read_on) return;
    StartRead(&incoming_);
    EndStarting();
  }

  void OnDone(const grpc::Status& status) override {
    bool heard = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      heard = !detached_;
    }
    if (heard) {
      const absl::Status why =
          status.ok() ? absl::UnavailableError("the worker ended its stream") : FromGrpc(status);
      options_.on_lost(number_, why);
    }
    ChannelLink& link = link_;
    // The last holder may be this one; the stub and the context go with it.
    std::shared_ptr<Stream>(std::move(self_)).reset();
    link.Remove();
  }

 private:
  void OnTaken() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      --untaken_;
      if (!paused_ || ending_) return;
      paused_ = false;
      ++starting_;
    }
    StartRead(&incoming_);
    EndStarting();
  }

  void EndStarting() {
    bool release = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      --starting_;
      release = ReleaseDue();
    }
    if (release) RemoveHold();
  }

  // No more operations: the stream is broken, or nobody listens.
  void End() {
    bool release = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ending_ = true;
      release = ReleaseDue();
    }
    if (release) RemoveHold();
  }

  bool ReleaseDue() {  // with mutex_
    if (!ending_ || starting_ > 0 || released_) return false;
    released_ = true;
    return true;
  }

  const Options& options_;
  ChannelLink& link_;
  const PeerNumber number_;
  const std::unique_ptr<v1::Attention::Stub> stub_;
  std::shared_ptr<Stream> self_;
  grpc::ClientContext context_;
  v1::AttentionEvents incoming_;

  std::mutex mutex_;
  std::deque<v1::AttentionCommand> outbox_;  // the first one is being written, if writing_
  bool writing_ = false;
  bool paused_ = false;  // not reading: too many reports are untaken
  int untaken_ = 0;
  int starting_ = 0;  // operations whose start has not returned
  bool detached_ = false;
  bool ending_ = false;
  bool released_ = false;  // the hold
};

class GrpcAttentionPeers::Peer final : public AttentionPeer {
 public:
  explicit Peer(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  ~Peer() override { stream_->Detach(); }

  void Start(const SequenceStart& start) override { stream_->Send(StartCommand(start)); }
  void Cancel(SequenceNumber sequence) override { stream_->Send(CancelCommand(sequence)); }

 private:
  const std::shared_ptr<Stream> stream_;
};

GrpcAttentionPeers::GrpcAttentionPeers(Options options) : options_(std::move(options)) {}

GrpcAttentionPeers::~GrpcAttentionPeers() {
  for (const std::unique_ptr<ChannelLink>& link : links_) link->WaitUntilIdle();
}

std::unique_ptr<AttentionPeer> GrpcAttentionPeers::Connect(const AttentionWorkerInfo& worker,
                                                           PeerNumber number) {
  std::erase_if(links_, [](const std::unique_ptr<ChannelLink>& link) { return link->idle(); });
  links_.push_back(
      std::make_unique<ChannelLink>(OpenChannel(TargetOf(worker.endpoint, options_.own_host_id))));
  auto stream = std::make_shared<Stream>(options_, *links_.back(), number);
  stream->Open();
  return std::make_unique<Peer>(std::move(stream));
}

}  // namespace sextant::router
