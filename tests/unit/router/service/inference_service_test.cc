// The Inference service over real gRPC, against attention workers that compute nothing.
#include "router/service/inference_service.h"

#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/errors/error_details.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "common/rpc/status.h"
#include "tests/golden/tokenizer/golden_tokenizer.h"
#include "tests/support/fake_attention_worker.h"

namespace sextant::router {
namespace {

struct Worker {
  Worker() {
    server = RpcServer::Start({.listen = {"127.0.0.1:0"}, .services = {&service}}).value();
  }
  ~Worker() { Stop(); }
  void Stop() {
    service.broken = true;
    server->Shutdown(absl::Seconds(1));
  }
  [[nodiscard]] AttentionWorkerInfo Info(const std::string& id) const {
    AttentionWorkerInfo info;
    info.worker_id = id;
    info.endpoint.set_tcp_target(server->targets().at(0));
    info.cache_blocks = 1 << 20;
    info.block_tokens = 16;
    info.max_sequences = 32;
    return info;
  }

  FakeAttentionWorker service;
  std::unique_ptr<RpcServer> server;
};

struct Result {
  grpc::Status status;
  std::string text;
  std::vector<std::int32_t> ids;
  v1::GenerateResponse last;
};

class InferenceServiceTest : public ::testing::Test {
 protected:
  InferenceServiceTest() {
    ModelConfig model;
    model.vocab_size = 1300;
    model.eos_token_ids = {1201};
    text_ = ModelText::Load(GoldenTokenizerDir(), model).value();
    Start(256);
  }
  ~InferenceServiceTest() override { Stop(); }

  void Start(std::int64_t queue) {
    front_ = std::make_unique<Front>(
        Front::Options{.model = {.model_id = "demo", .context_length = 4096, .vocab_size = 1300},
                       .queue_capacity = queue,
                       .own_host_id = "here"},
        *text_, metrics_, log_);
    service_ = std::make_unique<InferenceService>(InferenceService::Options{}, *front_);
    server_ = RpcServer::Start({.listen = {"127.0.0.1:0"}, .services = {service_.get()}}).value();
    stub_ = v1::Inference::NewStub(OpenChannel(server_->targets().at(0)));
  }
  void Stop() {
    stub_ = nullptr;
    if (server_ != nullptr) server_->Shutdown(absl::ZeroDuration());
    front_ = nullptr;
    server_ = nullptr;
    service_ = nullptr;
  }

  static v1::GenerateRequest Request(std::int32_t max_tokens) {
    v1::GenerateRequest request;
    request.set_text("hello");
    request.mutable_params()->set_max_tokens(max_tokens);
    return request;
  }
  Result Generate(const v1::GenerateRequest& request, absl::Duration patience = absl::Seconds(30),
                  const std::function<void(grpc::ClientContext&, int)>& on_message = {}) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + patience));
    const auto reader = stub_->Generate(&context, request);
    Result result;
    v1::GenerateResponse message;
    int messages = 0;
    while (reader->Read(&message)) {
      result.text += message.text();
      result.ids.insert(result.ids.end(), message.token_ids().begin(), message.token_ids().end());
      result.last = message;
      if (on_message) on_message(context, ++messages);
    }
    result.status = reader->Finish();
    return result;
  }
  static std::vector<std::int32_t> Expected(int tokens) {
    std::vector<std::int32_t> ids;
    for (int i = 0; i < tokens; ++i) ids.push_back(10 + i % 50);
    return ids;
  }

  Logger log_{"test", LogLevel::kError};
  Metrics metrics_;
  std::unique_ptr<const ModelText> text_;
  std::unique_ptr<Front> front_;
  std::unique_ptr<InferenceService> service_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<v1::Inference::Stub> stub_;
};

TEST_F(InferenceServiceTest, ARequestStreamsToItsEnd) {
  Worker worker;
  front_->SetWorkers({worker.Info("a")});
  const Result result = Generate(Request(100));
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.ids, Expected(100));
  EXPECT_EQ(result.last.finish_reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(result.last.usage().completion_tokens(), 100);
  EXPECT_FALSE(result.last.request_id().empty());
  Stop();
}

TEST_F(InferenceServiceTest, ALostWorkersStreamGoesOnWithoutAGapOrARepetition) {
  Worker first;
  Worker second;
  first.service.step_microseconds = 2000;
  front_->SetWorkers({first.Info("a")});
  const Result result =
      Generate(Request(200), absl::Seconds(30), [&](grpc::ClientContext&, int messages) {
        if (messages != 5) return;
        front_->SetWorkers({first.Info("a"), second.Info("b")});
        first.service.broken = true;
      });
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.ids, Expected(200));
  EXPECT_GE(second.service.replayed + first.service.replayed, 1);
  Stop();
}

TEST_F(InferenceServiceTest, AClientThatCancelsFreesTheWorker) {
  Worker worker;
  front_->SetWorkers({worker.Info("a")});
  const Result result = Generate(Request(4000), absl::Seconds(30),
                                 [](grpc::ClientContext& context, int) { context.TryCancel(); });
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::CANCELLED);
  for (int i = 0; i < 500 && (worker.service.running > 0 || front_->requests() > 0); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(worker.service.running, 0);
  EXPECT_EQ(front_->requests(), 0);
  Stop();
}

TEST_F(InferenceServiceTest, CancelEndsAStreamByItsId) {
  Worker worker;
  worker.service.step_microseconds = 2000;
  front_->SetWorkers({worker.Info("a")});
  v1::GenerateRequest request = Request(4000);
  request.set_request_id("mine");
  const Result result =
      Generate(request, absl::Seconds(30), [&](grpc::ClientContext&, int messages) {
        if (messages != 2) return;
        grpc::ClientContext context;
        v1::CancelRequest cancel;
        cancel.set_request_id("mine");
        v1::CancelResponse response;
        EXPECT_TRUE(stub_->Cancel(&context, cancel, &response).ok());
      });
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(RequestId(FromGrpc(result.status)), "mine");
  Stop();
}

TEST_F(InferenceServiceTest, AWrongFieldIsNamed) {
  v1::GenerateRequest request = Request(10);
  request.mutable_params()->mutable_sampling()->set_top_p(2);
  const Result result = Generate(request);
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldProblems(FromGrpc(result.status)).at(0).field, "params.sampling.top_p");
}

TEST_F(InferenceServiceTest, WhatIsTooLongOrNotUtf8IsAnErrorAndNothingDies) {
  v1::GenerateRequest request;
  request.set_text(std::string(5 << 20, 'x'));
  EXPECT_EQ(Generate(request).status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  request.set_text("\xFF\xFE");
  EXPECT_FALSE(Generate(request).status.ok());
  Worker worker;
  front_->SetWorkers({worker.Info("a")});
  EXPECT_TRUE(Generate(Request(3)).status.ok());
  Stop();
}

TEST_F(InferenceServiceTest, WithoutAWorkerADeadlineSaysWhatIsMissing) {
  const Result result = Generate(Request(10), absl::Seconds(1));
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Reason(FromGrpc(result.status)), "NO_ATTENTION_WORKER");
}

TEST_F(InferenceServiceTest, ManyAtOnceAreServedOrToldWhenToComeBack) {
  Stop();
  Start(32);
  Worker worker;
  front_->SetWorkers({worker.Info("a")});
  std::atomic<int> served = 0;
  std::atomic<int> refused = 0;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 200; ++i) {
    clients.emplace_back([&] {
      const Result result = Generate(Request(8));
      const absl::Status status = FromGrpc(result.status);
      if (status.ok() && result.ids == Expected(8)) {
        ++served;
      } else if (absl::IsResourceExhausted(status) && RetryDelay(status).has_value()) {
        ++refused;
      } else {
        ++wrong;
        ADD_FAILURE() << status << ", " << result.ids.size() << " ids";
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(served, 32);
  EXPECT_EQ(served + refused, 200);
  Stop();
}

}  // namespace
}  // namespace sextant::router
