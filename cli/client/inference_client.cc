#include "cli/client/inference_client.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/channel.h"
#include "common/rpc/channel_link.h"
#include "common/rpc/status.h"
#include "proto/sextant/v1/inference.grpc.pb.h"

namespace sextant::cli {
namespace {

template <typename Request>
class StreamedAnswer final : public Answer, public grpc::ClientReadReactor<v1::GenerateResponse> {
 public:
  StreamedAnswer(ChannelLink& link, Request request, OnPiece on_piece, OnEnd on_end)
      : link_(link),
        request_(std::move(request)),
        on_piece_(std::move(on_piece)),
        on_end_(std::move(on_end)) {
    link_.Add();
  }

  // `start` is the stub's method.
  template <typename Start>
  void Begin(std::shared_ptr<StreamedAnswer> self, absl::Duration timeout, const Start& start) {
    self_ = std::move(self);
    if (timeout < absl::InfiniteDuration()) {
      context_.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    }
    start(&context_, &request_, this);
    StartRead(&piece_);
    StartCall();
  }

  void Cancel() override { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    on_piece_(piece_);
    StartRead(&piece_);
  }

  void OnDone(const grpc::Status& status) override {
    on_end_(FromGrpc(status));
    ChannelLink& link = link_;
    // The last holder may be this one; the context, which refers to the channel, goes with it.
    std::shared_ptr<StreamedAnswer>(std::move(self_)).reset();
    link.Remove();
  }

 private:
  ChannelLink& link_;
  grpc::ClientContext context_;
  const Request request_;
  const OnPiece on_piece_;
  const OnEnd on_end_;
  v1::GenerateResponse piece_;
  std::shared_ptr<StreamedAnswer> self_;  // from Begin to OnDone
};

}  // namespace

class InferenceClient::Impl {
 public:
  explicit Impl(const std::string& target)
      : link(OpenChannel(target)), stub(v1::Inference::NewStub(link.channel())) {}

  ChannelLink link;
  const std::unique_ptr<v1::Inference::Stub> stub;
};

InferenceClient::InferenceClient(const std::string& target)
    : impl_(std::make_unique<Impl>(target)) {}

InferenceClient::~InferenceClient() { impl_->link.WaitUntilIdle(); }

std::shared_ptr<Answer> InferenceClient::Generate(const v1::GenerateRequest& request,
                                                  const CallOptions& options,
                                                  Answer::OnPiece on_piece, Answer::OnEnd on_end) {
  auto answer = std::make_shared<StreamedAnswer<v1::GenerateRequest>>(
      impl_->link, request, std::move(on_piece), std::move(on_end));
  answer->Begin(answer, options.timeout, [this](auto* context, auto* sent, auto* reactor) {
    impl_->stub->async()->Generate(context, sent, reactor);
  });
  return answer;
}

std::shared_ptr<Answer> InferenceClient::Chat(const v1::ChatRequest& request,
                                              const CallOptions& options, Answer::OnPiece on_piece,
                                              Answer::OnEnd on_end) {
  auto answer = std::make_shared<StreamedAnswer<v1::ChatRequest>>(
      impl_->link, request, std::move(on_piece), std::move(on_end));
  answer->Begin(answer, options.timeout, [this](auto* context, auto* sent, auto* reactor) {
    impl_->stub->async()->Chat(context, sent, reactor);
  });
  return answer;
}

absl::StatusOr<v1::ListModelsResponse> InferenceClient::ListModels(absl::Duration timeout) {
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  v1::ListModelsResponse response;
  const grpc::Status status = impl_->stub->ListModels(&context, {}, &response);
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return absl::UnavailableError(absl::StrCat("no answer within ", absl::FormatDuration(timeout)));
  }
  if (!status.ok()) return FromGrpc(status);
  return response;
}

}  // namespace sextant::cli
