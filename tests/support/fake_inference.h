// An Inference service that answers from a script, served on a unix socket of its own.
//
// A chat is answered with the words of `answer`, one message each, and with the number of messages
// that came. A generation gets `max_tokens` tokens, one message each. `pause` passes before every
// message. Calls beyond `most_calls` at a time are refused as a full queue would.
#pragma once

#include <grpcpp/server_context.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/check.h"
#include "common/errors/error_details.h"
#include "common/rpc/server.h"
#include "common/rpc/status.h"
#include "proto/sextant/v1/inference.grpc.pb.h"
#include "tests/support/temp_dir.h"

namespace sextant {

class FakeInference final : public v1::Inference::Service {
 public:
  FakeInference() : target_(absl::StrCat("unix:", dir_.File("s"))) {
    auto server = RpcServer::Start({.listen = {target_}, .services = {this}});
    CHECK(server.ok());
    server_ = *std::move(server);
  }
  ~FakeInference() override { server_->Shutdown(absl::Seconds(5)); }

  [[nodiscard]] const std::string& target() const { return target_; }
  [[nodiscard]] int cancelled() const { return cancelled_; }
  [[nodiscard]] int most_at_once() const { return most_at_once_; }
  [[nodiscard]] std::vector<v1::ChatRequest> chats() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return chats_;
  }

  std::vector<std::string> answer = {"a ", "small ", "bird"};
  absl::Duration pause;
  int most_calls = 1 << 20;

  grpc::Status Chat(grpc::ServerContext* context, const v1::ChatRequest* request,
                    grpc::ServerWriter<v1::GenerateResponse>* writer) override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      chats_.push_back(*request);
    }
    std::vector<v1::GenerateResponse> pieces;
    for (const std::string& word : answer) pieces.emplace_back().set_text(word);
    return Stream(context, std::move(pieces), writer);
  }

  grpc::Status Generate(grpc::ServerContext* context, const v1::GenerateRequest* request,
                        grpc::ServerWriter<v1::GenerateResponse>* writer) override {
    std::vector<v1::GenerateResponse> pieces(
        static_cast<std::size_t>(request->params().max_tokens()));
    for (v1::GenerateResponse& piece : pieces) piece.add_token_ids(7);
    return Stream(context, std::move(pieces), writer);
  }

  grpc::Status ListModels(grpc::ServerContext* /*context*/,
                          const v1::ListModelsRequest* /*request*/,
                          v1::ListModelsResponse* response) override {
    v1::Model& model = *response->add_models();
    model.set_id("fake");
    model.set_vocab_size(100);
    return grpc::Status::OK;
  }

 private:
  grpc::Status Stream(grpc::ServerContext* context, std::vector<v1::GenerateResponse> pieces,
                      grpc::ServerWriter<v1::GenerateResponse>* writer) {
    const int at_once = ++running_;
    const std::shared_ptr<void> leave(nullptr, [this](void*) { --running_; });
    if (at_once > most_calls) {
      return ToGrpc(WithRetryDelay(
          WithReason(absl::ResourceExhaustedError("the queue is full"), "QUEUE_FULL"),
          absl::Seconds(2)));
    }
    for (int seen = most_at_once_;
         seen < at_once && !most_at_once_.compare_exchange_weak(seen, at_once);) {
    }
    pieces.front().set_seed(42);
    pieces.back().set_finish_reason(v1::FINISH_REASON_STOP);
    pieces.back().mutable_usage()->set_completion_tokens(static_cast<std::int64_t>(pieces.size()));
    for (const v1::GenerateResponse& piece : pieces) {
      absl::SleepFor(pause);
      if (context->IsCancelled() || !writer->Write(piece)) {
        ++cancelled_;
        return grpc::Status::CANCELLED;
      }
    }
    return grpc::Status::OK;
  }

  const TempDir dir_;
  const std::string target_;
  std::atomic<int> running_ = 0;
  std::atomic<int> most_at_once_ = 0;
  std::atomic<int> cancelled_ = 0;
  mutable std::mutex mutex_;
  std::vector<v1::ChatRequest> chats_;
  std::unique_ptr<RpcServer> server_;
};

}  // namespace sextant
