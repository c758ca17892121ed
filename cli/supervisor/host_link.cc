#include "cli/supervisor/host_link.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>

namespace sextant::cli {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(200);

}  // namespace

class HostLink::Stream final : public grpc::ClientBidiReactor<v1::HostReport, v1::HostOrders> {
 public:
  Stream(v1::Hosts::Stub& stub, const std::function<void()>& wake) : wake_(wake) {
    context_.set_wait_for_ready(true);
    stub.async()->Follow(&context_, this);
    // Until it is broken the call must not end: Send starts writes outside of gRPC's callbacks.
    AddHold();
    StartRead(&incoming_);
    StartCall();
  }
  ~Stream() override {
    context_.TryCancel();
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return ended_; });
  }

  void Send(v1::HostReport report) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (broken_) return;
    waiting_ = std::move(report);
    WriteNext();
  }

  std::optional<v1::HostOrders> TakeOrders() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(orders_, std::nullopt);
  }

  // How it ended, if it has.
  std::optional<grpc::StatusCode> end() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return ended_ ? std::optional(code_) : std::nullopt;
  }

 private:
  void WriteNext() {
    if (broken_ || writing_ || !waiting_.has_value()) return;
    outgoing_ = *std::exchange(waiting_, std::nullopt);
    writing_ = true;
    StartWrite(&outgoing_);
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    writing_ = false;
    if (ok) WriteNext();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      Break();
      return;
    }
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      orders_ = std::move(incoming_);
    }
    incoming_.Clear();
    StartRead(&incoming_);
    wake_();
  }

  // No more writes.
  void Break() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      broken_ = true;
    }
    RemoveHold();
  }

  void OnDone(const grpc::Status& status) override {
    wake_();
    const std::lock_guard<std::mutex> lock(mutex_);
    code_ = status.error_code();
    ended_ = true;
    // Under the lock, for this may be destroyed as soon as it is released.
    changed_.notify_all();
  }

  const std::function<void()>& wake_;
  grpc::ClientContext context_;
  v1::HostOrders incoming_;
  v1::HostReport outgoing_;  // being written

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::optional<v1::HostReport> waiting_;
  std::optional<v1::HostOrders> orders_;
  bool writing_ = false;
  bool broken_ = false;
  bool ended_ = false;
  grpc::StatusCode code_ = grpc::StatusCode::OK;
};

HostLink::HostLink(const std::shared_ptr<grpc::Channel>& channel, std::function<void()> wake)
    : stub_(v1::Hosts::NewStub(channel)), wake_(std::move(wake)) {}

HostLink::~HostLink() = default;

void HostLink::Keep(v1::HostReport report, absl::Time now) {
  if (stream_ != nullptr) {
    if (const std::optional<grpc::StatusCode> end = stream_->end()) {
      stream_ = nullptr;
      // Another host has taken over: two would only push each other away.
      next_dial_ = *end == grpc::StatusCode::ABORTED ? absl::InfiniteFuture() : now + kPause;
    }
  }
  if (stream_ == nullptr) {
    if (now < next_dial_) return;
    stream_ = std::make_unique<Stream>(*stub_, wake_);
    obeyed_ = 0;
    reported_.clear();
  }
  report.set_obeyed(obeyed_);
  std::string bytes = report.SerializeAsString();
  if (bytes == reported_) return;
  reported_ = std::move(bytes);
  stream_->Send(std::move(report));
}

std::optional<v1::HostOrders> HostLink::TakeOrders() {
  if (stream_ == nullptr) return std::nullopt;
  std::optional<v1::HostOrders> orders = stream_->TakeOrders();
  if (orders.has_value()) obeyed_ = orders->number();
  return orders;
}

absl::Time HostLink::NextDial() const {
  return stream_ == nullptr ? next_dial_ : absl::InfiniteFuture();
}

}  // namespace sextant::cli
