#include "tests/unit/cli/worker/worker_cluster.h"

#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "attention_worker/engine/engine.h"
#include "cli/engine/device_model.h"
#include "common/rpc/channel.h"
#include "common/weights/checkpoint.h"
#include "proto/sextant/v1/attention.grpc.pb.h"
#include "tests/support/device/test_gpu.h"

namespace sextant::cli {

WorkerCluster::WorkerCluster(const std::string& profile) {
  CoordinatorConfig config;
  config.numeric_profile = profile;
  control_ = std::make_unique<ControlPlane>(std::move(config), nullptr);
  auto server = RpcServer::Start(
      {.listen = {router()}, .services = {control_->cluster(), control_->admin()}});
  EXPECT_TRUE(server.ok()) << server.status();
  if (server.ok()) server_ = *std::move(server);
  control_->Start();
}

WorkerCluster::~WorkerCluster() {
  control_->Stop();
  if (server_ != nullptr) server_->Shutdown(absl::ZeroDuration());
}

std::string WorkerCluster::Target(const std::string& name) const {
  return "unix:" + dir_.path() + "/" + name;
}

bool WorkerCluster::Await(const std::function<bool(const v1::ClusterStatus&)>& wanted) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (absl::Now() < deadline) {
    if (wanted(*control_->status())) return true;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return false;
}

bool WorkerCluster::AwaitReady(int workers) {
  return Await([workers](const v1::ClusterStatus& status) {
    return status.phase() == "steady" && status.workers_size() == workers &&
           std::all_of(status.workers().begin(), status.workers().end(),
                       [](const v1::WorkerStatus& worker) { return worker.state() == "ready"; });
  });
}

std::map<std::uint64_t, Ids> Ask(const std::string& target,
                                 const std::vector<v1::StartSequence>& starts,
                                 const std::function<void()>& on_token) {
  const auto stub = v1::Attention::NewStub(OpenChannel(target));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + WorkerCluster::kPatience));
  const auto stream = stub->Run(&context);
  v1::AttentionCommand command;
  command.mutable_configure();
  stream->Write(command);
  for (const v1::StartSequence& start : starts) {
    *command.mutable_start() = start;
    stream->Write(command);
  }
  stream->WritesDone();
  std::map<std::uint64_t, Ids> tokens;
  v1::AttentionEvents events;
  while (stream->Read(&events)) {
    for (const v1::SequenceEvent& event : events.events()) {
      EXPECT_FALSE(event.has_failure()) << event.failure().message();
      tokens[event.sequence()].push_back(event.token().id());
      if (on_token != nullptr) on_token();
    }
  }
  const grpc::Status status = stream->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  return tokens;
}

struct OneGpu::Parts {
  explicit Parts(const std::string& folder)
      : config(*ReadModelConfig(folder)), checkpoint(*Checkpoint::Open(folder)) {}

  ModelConfig config;
  Checkpoint checkpoint;
  std::unique_ptr<DeviceModel> model;
};

OneGpu::OneGpu(const std::string& folder) : parts_(std::make_unique<Parts>(folder)) {
  auto model =
      DeviceModel::Open(OpenTestGpu(), parts_->config, &parts_->checkpoint,
                        {.cache_tokens = 1024, .max_batch_tokens = 64, .max_sequences = 8});
  EXPECT_TRUE(model.ok()) << model.status();
  if (model.ok()) parts_->model = *std::move(model);
}

OneGpu::~OneGpu() = default;

Ids OneGpu::Answer(const Ids& prompt, std::int64_t tokens, std::uint64_t seed) {
  Engine engine(parts_->model->step_model(), parts_->model->cache(),
                {.max_batch_tokens = 64,
                 .max_sequences = 8,
                 .max_context = parts_->config.max_position_embeddings,
                 .vocab_size = parts_->config.vocab_size,
                 .banned_ids = {}});
  EXPECT_TRUE(engine
                  .Submit({.prompt_ids = prompt,
                           .sampling = {.temperature = 1.0F, .seed = seed},
                           .max_tokens = tokens,
                           .stop_ids = {}})
                  .ok());
  Ids answer;
  while (!engine.idle()) {
    const auto events = engine.Step();
    EXPECT_TRUE(events.ok()) << events.status();
    if (!events.ok()) break;
    for (const TokenEvent& event : *events) answer.push_back(event.token->id);
  }
  return answer;
}

}  // namespace sextant::cli
