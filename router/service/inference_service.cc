#include "router/service/inference_service.h"

#include <chrono>
#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "common/rpc/status.h"
#include "router/service/answer_stream.h"

namespace sextant::router {
namespace {

// The caller's address without its port: connections of one machine are one client.
std::string CallerOf(const grpc::CallbackServerContext& context) {
  const std::string peer = context.peer();
  const std::size_t colon = peer.rfind(':');
  const std::size_t scheme = peer.find(':');
  return colon == scheme ? peer : peer.substr(0, colon);
}

absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const std::chrono::system_clock::time_point deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  return absl::FromChrono(deadline);
}

}  // namespace

InferenceService::InferenceService(Options options, Front& front)
    : options_(std::move(options)), front_(front) {}

template <typename Request>
grpc::ServerWriteReactor<v1::GenerateResponse>* InferenceService::Stream(
    grpc::CallbackServerContext* context, const Request* request) {
  CallContext call{.handle = front_.NextHandle(),
                   .arrival = absl::Now(),
                   .deadline = DeadlineOf(*context),
                   .caller = CallerOf(*context)};
  std::shared_ptr<AnswerStream> stream =
      AnswerStream::Make([this, handle = call.handle] { front_.Abandon(handle); });
  AnswerStream* reactor = stream.get();
  // `request` lives until the call has finished, which it does not before it has been read.
  const absl::Status taken = front_.Submit(
      [this, request, call = std::move(call)] { return front_.reader().Read(*request, call); },
      stream, [reactor](const std::string& request_id) { reactor->SetRequestId(request_id); });
  if (!taken.ok()) stream->End(taken);
  return reactor;
}

grpc::ServerWriteReactor<v1::GenerateResponse>* InferenceService::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  return Stream(context, request);
}

grpc::ServerWriteReactor<v1::GenerateResponse>* InferenceService::Chat(
    grpc::CallbackServerContext* context, const v1::ChatRequest* request) {
  return Stream(context, request);
}

grpc::ServerUnaryReactor* InferenceService::Tokenize(grpc::CallbackServerContext* context,
                                                     const v1::TokenizeRequest* request,
                                                     v1::TokenizeResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status taken = front_.TryPost([this, reactor, request, response] {
    const absl::StatusOr<std::vector<std::int32_t>> ids = front_.reader().Tokenize(*request);
    if (ids.ok()) response->mutable_token_ids()->Assign(ids->begin(), ids->end());
    reactor->Finish(ToGrpc(ids.status()));
  });
  if (!taken.ok()) reactor->Finish(ToGrpc(taken));
  return reactor;
}

grpc::ServerUnaryReactor* InferenceService::Detokenize(grpc::CallbackServerContext* context,
                                                       const v1::DetokenizeRequest* request,
                                                       v1::DetokenizeResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status taken = front_.TryPost([this, reactor, request, response] {
    absl::StatusOr<std::string> bytes = front_.reader().Detokenize(*request);
    if (bytes.ok()) response->set_text(*std::move(bytes));
    reactor->Finish(ToGrpc(bytes.status()));
  });
  if (!taken.ok()) reactor->Finish(ToGrpc(taken));
  return reactor;
}

void InferenceService::FillModel(v1::Model& model) const {
  const RequestReader::Options& known = front_.reader().options();
  ModelState state = options_.model_state();
  model.set_id(known.model_id);
  model.set_context_length(known.context_length);
  model.set_vocab_size(known.vocab_size);
  model.set_numeric_profile(std::move(state.numeric_profile));
  model.set_dtype(std::move(state.dtype));
  model.set_created_unix_seconds(options_.created_unix_seconds);
}

grpc::ServerUnaryReactor* InferenceService::ListModels(grpc::CallbackServerContext* context,
                                                       const v1::ListModelsRequest* /*request*/,
                                                       v1::ListModelsResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  FillModel(*response->add_models());
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* InferenceService::GetModel(grpc::CallbackServerContext* context,
                                                     const v1::GetModelRequest* request,
                                                     v1::Model* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status known = front_.reader().CheckModel(request->model());
  if (known.ok()) FillModel(*response);
  reactor->Finish(ToGrpc(known));
  return reactor;
}

grpc::ServerUnaryReactor* InferenceService::Cancel(grpc::CallbackServerContext* context,
                                                   const v1::CancelRequest* request,
                                                   v1::CancelResponse* /*response*/) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  front_.Cancel(request->request_id(),
                [reactor](const absl::Status& status) { reactor->Finish(ToGrpc(status)); });
  return reactor;
}

}  // namespace sextant::router
