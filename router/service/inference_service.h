// The Inference service (inference.proto): translates, and hands on to the front.
//
// Threads:   gRPC's own; nothing here waits or computes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "proto/sextant/v1/inference.grpc.pb.h"
#include "router/service/front.h"

namespace sextant::router {

class InferenceService final : public v1::Inference::CallbackService {
 public:
  struct ModelState {
    std::string numeric_profile;  // empty until a worker has joined
    std::string dtype;
  };
  struct Options {
    std::int64_t created_unix_seconds = 0;
    std::function<ModelState()> model_state = [] { return ModelState(); };
  };

  // `front` outlives the service.
  InferenceService(Options options, Front& front);

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override;
  grpc::ServerWriteReactor<v1::GenerateResponse>* Chat(grpc::CallbackServerContext* context,
                                                       const v1::ChatRequest* request) override;
  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* context,
                                     const v1::TokenizeRequest* request,
                                     v1::TokenizeResponse* response) override;
  grpc::ServerUnaryReactor* Detokenize(grpc::CallbackServerContext* context,
                                       const v1::DetokenizeRequest* request,
                                       v1::DetokenizeResponse* response) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const v1::GetModelRequest* request,
                                     v1::Model* response) override;
  grpc::ServerUnaryReactor* Cancel(grpc::CallbackServerContext* context,
                                   const v1::CancelRequest* request,
                                   v1::CancelResponse* response) override;

 private:
  template <typename Request>
  grpc::ServerWriteReactor<v1::GenerateResponse>* Stream(grpc::CallbackServerContext* context,
                                                         const Request* request);
  void FillModel(v1::Model& model) const;

  const Options options_;
  Front& front_;
};

}  // namespace sextant::router
