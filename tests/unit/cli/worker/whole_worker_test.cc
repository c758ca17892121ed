// A whole worker on a GPU, or on the emulator, as a member of a cluster: it joins, is given
// sequences without an epoch, and each gets what the model gives it alone.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "attention_worker/engine/engine.h"
#include "attention_worker/service/attention_worker.h"
#include "cli/worker/whole_worker_model.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "proto/sextant/v1/attention.grpc.pb.h"
#include "router/service/control_plane/control_plane.h"
#include "tests/golden/golden_model.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/test_gpu.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/attention_worker/service/start_sequence.h"

namespace sextant::cli {
namespace {

using ::testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr std::int64_t kTokens = 5;

std::string Folder() { return GoldenModelFolder("lite"); }

absl::StatusOr<CudaBackend> TestGpu(int /*number*/) { return OpenTestGpu(); }

class WholeWorkerTest : public DeviceTest {
 protected:
  void StartRouter(const std::string& profile) {
    CoordinatorConfig config;
    config.numeric_profile = profile;
    control_ = std::make_unique<ControlPlane>(std::move(config), nullptr);
    auto server = RpcServer::Start(
        {.listen = {Target("router")}, .services = {control_->cluster(), control_->admin()}});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    control_->Start();
  }
  ~WholeWorkerTest() override {
    worker_ = nullptr;
    if (control_ == nullptr) return;
    control_->Stop();
    server_->Shutdown(absl::ZeroDuration());
  }

  absl::Status StartWorker() {
    auto worker = AttentionWorker::Start(
        {.model_dir = Folder(),
         .router_target = Target("router"),
         .listen = {Target("worker")},
         .threads = 1,
         .open_model =
             [](const WorkerModelArgs& args) {
               return OpenWholeWorkerModel(args,
                                           {.choice = DeviceChoice::kCuda, .open_gpu = TestGpu});
             },
         .cache_tokens = 1024,
         .max_batch_tokens = 64,
         .max_sequences = 8,
         .log = Logger("whole", LogLevel::kError)},
        metrics_);
    if (worker.ok()) worker_ = *std::move(worker);
    return worker.status();
  }

  std::string Target(const std::string& name) { return "unix:" + dir_.path() + "/" + name; }

  bool Await(const std::function<bool(const v1::ClusterStatus&)>& wanted) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (absl::Now() < deadline) {
      if (wanted(*control_->status())) return true;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return false;
  }

  // Of the worker, once the router gives it sequences.
  v1::WorkerStatus AwaitReady() {
    EXPECT_TRUE(Await([](const v1::ClusterStatus& status) {
      return status.workers_size() == 1 && status.workers(0).state() == "ready" &&
             status.phase() == "steady";
    })) << control_->status()->DebugString();
    return control_->status()->workers().empty() ? v1::WorkerStatus()
                                                 : control_->status()->workers(0);
  }

  // As a router does: all sequences on one stream; their tokens by number.
  std::map<std::uint64_t, Ids> Ask(const std::vector<v1::StartSequence>& starts) {
    const auto stub = v1::Attention::NewStub(OpenChannel(worker_->targets().front()));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
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
      }
    }
    EXPECT_TRUE(stream->Finish().ok());
    return tokens;
  }

  const TempDir dir_;
  Metrics metrics_;
  std::unique_ptr<ControlPlane> control_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<AttentionWorker> worker_;
};

// The tokens of one request on a model of its own.
Ids Alone(DeviceModel& model, const ModelConfig& config, const Ids& prompt, std::uint64_t seed) {
  Engine engine(model.step_model(), model.cache(),
                {.max_batch_tokens = 64,
                 .max_sequences = 8,
                 .max_context = config.max_position_embeddings,
                 .vocab_size = config.vocab_size,
                 .banned_ids = {}});
  EXPECT_TRUE(engine
                  .Submit({.prompt_ids = prompt,
                           .sampling = {.temperature = 1.0F, .seed = seed},
                           .max_tokens = kTokens,
                           .stop_ids = {}})
                  .ok());
  Ids tokens;
  while (!engine.idle()) {
    const auto events = engine.Step();
    EXPECT_TRUE(events.ok()) << events.status();
    if (!events.ok()) break;
    for (const TokenEvent& event : *events) tokens.push_back(event.token->id);
  }
  return tokens;
}

TEST_F(WholeWorkerTest, ServesSequencesFromAGpuWithoutAnEpoch) {
  ASSERT_NO_FATAL_FAILURE(StartRouter(""));
  ASSERT_TRUE(StartWorker().ok());
  const v1::WorkerStatus shown = AwaitReady();
  EXPECT_EQ(shown.role(), v1::ROLE_WHOLE);
  EXPECT_EQ(shown.cache_blocks(), 16);
  EXPECT_THAT(shown.worker_id(), HasSubstr("whole-"));
  EXPECT_EQ(control_->status()->numeric_profile(), "cuda");
  EXPECT_EQ(control_->status()->epoch(), 0U);

  const std::vector<Ids> prompts = {{1, 2, 3}, {9, 8, 7, 6, 5}, {42}};
  std::vector<v1::StartSequence> starts;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    starts.push_back(MakeStart(i, prompts[i], kTokens, 70 + i));
  }
  const std::map<std::uint64_t, Ids> got = Ask(starts);

  const ModelConfig config = *ReadModelConfig(Folder());
  const Checkpoint checkpoint = *Checkpoint::Open(Folder());
  const auto model =
      DeviceModel::Open(OpenTestGpu(), config, &checkpoint,
                        {.cache_tokens = 1024, .max_batch_tokens = 64, .max_sequences = 8});
  ASSERT_TRUE(model.ok()) << model.status();
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    ASSERT_TRUE(got.contains(i));
    EXPECT_EQ(got.at(i), Alone(**model, config, prompts[i], 70 + i)) << "sequence " << i;
  }

  worker_->Leave(kPatience);
  EXPECT_TRUE(worker_->failure().ok()) << worker_->failure();
  EXPECT_TRUE(Await([](const v1::ClusterStatus& status) { return status.workers().empty(); }));
}

TEST_F(WholeWorkerTest, IsRefusedByAClusterThatComputesOnCpus) {
  ASSERT_NO_FATAL_FAILURE(StartRouter("cpu-avx2"));
  const absl::Status status = StartWorker();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(status), HasSubstr("this worker can compute only cuda"));
}

}  // namespace
}  // namespace sextant::cli
