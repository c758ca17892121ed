#include "attention_worker/service/attention_worker.h"

#include <cstdlib>
#include <utility>

#include "attention_worker/engine/engine.h"
#include "attention_worker/service/attention_metrics.h"
#include "attention_worker/service/attention_role.h"
#include "attention_worker/service/attention_service.h"
#include "attention_worker/serving/engine_thread.h"
#include "common/base/status.h"
#include "common/config/model_config.h"
#include "common/membership/member.h"
#include "common/membership/model_identity.h"
#include "common/membership/worker_hello.h"
#include "common/rpc/server.h"
#include "common/weights/checkpoint.h"
#include "common/weights/model_tensors.h"

namespace sextant {
namespace {

constexpr char kServiceName[] = "sextant.v1.Attention";
constexpr std::int64_t kMaxWaiting = 4096;  // routers hold back long before
constexpr absl::Duration kStreamGrace = absl::Seconds(1);

}  // namespace

// In the order of their construction; destroyed the other way round.
struct AttentionWorker::Parts {
  Parts(ModelConfig config_in, Checkpoint checkpoint_in, Options options_in, Metrics& registry)
      : config(std::move(config_in)),
        checkpoint(std::move(checkpoint_in)),
        options(std::move(options_in)),
        metrics(registry),
        service(config.vocab_size) {}

  absl::Status OpenModel();
  [[nodiscard]] v1::Hello MakeHello(const v1::ModelIdentity& identity) const;
  absl::Status BuildEngine();
  void EndIfBroken();

  ModelConfig config;
  Checkpoint checkpoint;
  Options options;
  AttentionMetrics metrics;
  std::unique_ptr<WorkerModel> model;
  std::unique_ptr<Engine> engine;
  AttentionService service;
  std::unique_ptr<EngineThread> thread;
  std::unique_ptr<RpcServer> server;
  std::unique_ptr<AttentionRole> role;
  std::unique_ptr<Member> member;
};

absl::Status AttentionWorker::Parts::OpenModel() {
  ASSIGN_OR_RETURN(model, options.open_model({.config = config,
                                              .checkpoint = checkpoint,
                                              .metrics = metrics,
                                              .log = options.log,
                                              .threads = options.threads,
                                              .precision = options.precision,
                                              .cache_tokens = options.cache_tokens,
                                              .max_batch_tokens = options.max_batch_tokens,
                                              .max_sequences = options.max_sequences}));
  options.log.Info("opened the model", {{"folder", options.model_dir},
                                        {"layers", config.num_hidden_layers},
                                        {"profile", model->profiles().front()},
                                        {"cache_mib", model->cache().shape().BytesTotal() >> 20}});
  return absl::OkStatus();
}

v1::Hello AttentionWorker::Parts::MakeHello(const v1::ModelIdentity& identity) const {
  const LatentCacheShape& cache = model->cache().shape();
  v1::Hello hello;
  hello.set_role(model->role());
  hello.set_rank_layout(model->rank_layout());
  hello.set_rank(!hello.rank_layout().empty());
  *hello.mutable_endpoint() = EndpointOf(server->targets());
  *hello.mutable_model() = identity;
  for (const std::string& profile : model->profiles()) hello.add_numeric_profiles(profile);
  hello.set_cache_blocks(cache.num_blocks);
  hello.set_block_tokens(cache.block_tokens);
  hello.set_max_sequences(options.max_sequences);
  hello.set_admin_target(options.admin_target);
  return hello;
}

// Sequences that were told of the fault would end with it; on another worker they do not meet it.
void AttentionWorker::Parts::EndIfBroken() {
  const absl::Status broken = model->Check();
  if (broken.ok()) return;
  options.log.Error("can compute nothing any more; ending, so that others take over",
                    {{"error", broken.ToString()}});
  std::_Exit(EXIT_FAILURE);
}

absl::Status AttentionWorker::Parts::BuildEngine() {
  RETURN_IF_ERROR(model->Build(member->welcome().numeric_profile(), member->worker_id()));
  engine = std::make_unique<Engine>(model->step_model(), model->cache(),
                                    Engine::Options{.max_batch_tokens = options.max_batch_tokens,
                                                    .max_sequences = options.max_sequences,
                                                    .max_waiting = kMaxWaiting,
                                                    .max_context = config.max_position_embeddings,
                                                    .vocab_size = config.vocab_size,
                                                    .banned_ids = {},  // each router says its own
                                                    .prefix_cache = options.prefix_cache});
  thread = std::make_unique<EngineThread>(
      *engine,
      EngineThread::Options{
          .idle_wait = model->idle_wait(),
          .on_step =
              [this](const EngineThread::StepReport& report) {
                metrics.OnStep(report, model->exchange_counts());
                if (!report.status.ok()) {
                  options.log.Warning("a step failed", {{"error", report.status.ToString()}});
                }
              },
          .on_failure = [this](const absl::Status& /*status*/) { EndIfBroken(); }});
  service.Use(*thread);
  return absl::OkStatus();
}

AttentionWorker::AttentionWorker(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

absl::StatusOr<std::unique_ptr<AttentionWorker>> AttentionWorker::Start(Options options,
                                                                        Metrics& metrics) {
  const Logger log = options.log;
  ASSIGN_OR_RETURN(ModelConfig config, ReadModelConfig(options.model_dir));
  ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::Open(options.model_dir));
  RETURN_IF_ERROR(CheckModelTensors(checkpoint, config));
  ASSIGN_OR_RETURN(const v1::ModelIdentity identity,
                   IdentifyModel(config, checkpoint, options.precision));
  std::unique_ptr<AttentionWorker> worker(new AttentionWorker(std::make_unique<Parts>(
      std::move(config), std::move(checkpoint), std::move(options), metrics)));
  Parts& parts = *worker->parts_;
  RETURN_IF_ERROR(parts.OpenModel());
  std::vector<grpc::Service*> services = parts.model->services();
  services.push_back(&parts.service);
  ASSIGN_OR_RETURN(parts.server, RpcServer::Start({.listen = parts.options.listen,
                                                   .services = std::move(services)}));
  log.Info("joining", {{"router", parts.options.router_target}});
  ASSIGN_OR_RETURN(parts.member,
                   Member::Join({.router_target = parts.options.router_target,
                                 .hello = parts.MakeHello(identity),
                                 .join_timeout = parts.options.join_timeout,
                                 .on_event = [log](const std::string& line) { log.Info(line); },
                                 .on_ended = parts.options.on_ended}));
  log.Info("joined", {{"worker", parts.member->worker_id()},
                      {"profile", parts.member->welcome().numeric_profile()}});
  metrics.Label({{"engine", parts.member->worker_id()},
                 {"model_name", parts.member->welcome().model_name()}});
  RETURN_IF_ERROR(parts.BuildEngine());
  const auto set_serving = [&parts](bool serving) {
    parts.server->SetServing(kServiceName, serving);
    parts.server->SetServing("", serving);
  };
  parts.role = std::make_unique<AttentionRole>(*parts.model, *parts.thread, set_serving);
  set_serving(true);
  parts.member->Start(*parts.role);
  return worker;
}

AttentionWorker::~AttentionWorker() {
  Parts& parts = *parts_;
  // The membership's end waits for an epoch that is being prepared, which waits for others.
  if (parts.model != nullptr) parts.model->StopWaiting();
  parts.member = nullptr;
  if (parts.server != nullptr) {
    parts.server->SetServing(kServiceName, false);
    parts.server->SetServing("", false);
  }
  if (parts.thread != nullptr) parts.thread->Stop();
  if (parts.server != nullptr) parts.server->Shutdown(kStreamGrace);
}

const std::vector<std::string>& AttentionWorker::targets() const {
  return parts_->server->targets();
}

void AttentionWorker::Leave(absl::Duration grace) { parts_->member->Leave(grace); }

absl::Status AttentionWorker::failure() const { return parts_->member->failure(); }

}  // namespace sextant
