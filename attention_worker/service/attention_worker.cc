#include "attention_worker/service/attention_worker.h"

#include <utility>

#include "attention_worker/cache/latent_cache.h"
#include "attention_worker/engine/engine.h"
#include "attention_worker/model/transformer.h"
#include "attention_worker/service/attention_metrics.h"
#include "attention_worker/service/attention_role.h"
#include "attention_worker/service/attention_service.h"
#include "attention_worker/serving/engine_thread.h"
#include "common/base/status.h"
#include "common/config/model_config.h"
#include "common/device/backend.h"
#include "common/device/stream.h"
#include "common/exchange/grpc_exchange.h"
#include "common/membership/member.h"
#include "common/membership/model_identity.h"
#include "common/membership/worker_hello.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "common/weights/checkpoint.h"
#include "common/weights/model_tensors.h"
#include "common/weights/weight_loader.h"

namespace sextant {
namespace {

constexpr char kServiceName[] = "sextant.v1.Attention";
constexpr std::int64_t kBlockTokens = 64;   // 36 KiB of V2-Lite's latents per layer and block
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
        loader(checkpoint, options.precision),
        pool(options.threads),
        exchange({.num_experts = static_cast<std::int32_t>(config.n_routed_experts),
                  .hidden = config.hidden_size,
                  .precision = options.precision,
                  .own_host_id = HostId()}),
        timed_exchange(exchange, metrics),
        service(config.vocab_size) {}

  absl::Status Load();
  absl::Status BuildEngine(Backend backend);

  ModelConfig config;
  Checkpoint checkpoint;
  Options options;
  AttentionMetrics metrics;
  WeightLoader loader;
  AttentionWeights weights;
  ThreadPool pool;
  GrpcExchange exchange;
  TimedExchange timed_exchange;
  std::unique_ptr<LatentCache> cache;
  std::unique_ptr<Stream> stream;
  std::unique_ptr<Transformer> transformer;
  std::unique_ptr<Engine> engine;
  AttentionService service;
  std::unique_ptr<EngineThread> thread;
  std::unique_ptr<RpcServer> server;
  std::unique_ptr<AttentionRole> role;
  std::unique_ptr<Member> member;
};

absl::Status AttentionWorker::Parts::Load() {
  ASSIGN_OR_RETURN(weights, AttentionWeights::Load(config, loader));
  const std::int64_t blocks = (options.cache_tokens + kBlockTokens - 1) / kBlockTokens;
  ASSIGN_OR_RETURN(cache,
                   LatentCache::Create({.num_layers = static_cast<int>(config.num_hidden_layers),
                                        .width = config.cache_row_dim(),
                                        .block_tokens = kBlockTokens,
                                        .num_blocks = static_cast<std::int32_t>(blocks),
                                        .dtype = StorageType(options.precision)}));
  return absl::OkStatus();
}

absl::Status AttentionWorker::Parts::BuildEngine(Backend backend) {
  stream = std::make_unique<Stream>(backend, pool);
  ASSIGN_OR_RETURN(transformer, Transformer::Create({.config = config,
                                                     .weights = weights,
                                                     .stream = *stream,
                                                     .cache = *cache,
                                                     .exchange = timed_exchange,
                                                     .precision = options.precision}));
  engine = std::make_unique<Engine>(*transformer, *cache,
                                    Engine::Options{.max_batch_tokens = options.max_batch_tokens,
                                                    .max_sequences = options.max_sequences,
                                                    .max_waiting = kMaxWaiting,
                                                    .max_context = config.max_position_embeddings,
                                                    .vocab_size = config.vocab_size,
                                                    .banned_ids = {},  // each router says its own
                                                    .prefix_cache = options.prefix_cache});
  thread = std::make_unique<EngineThread>(
      *engine, EngineThread::Options{.on_step = [this](const EngineThread::StepReport& report) {
        metrics.OnStep(report, exchange.counts());
        if (!report.status.ok()) {
          options.log.Warning("a step failed", {{"error", report.status.ToString()}});
        }
      }});
  service.Use(*thread);
  return absl::OkStatus();
}

AttentionWorker::AttentionWorker(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

absl::StatusOr<std::unique_ptr<AttentionWorker>> AttentionWorker::Start(Options options,
                                                                        Metrics& metrics) {
  const Logger log = options.log;
  ASSIGN_OR_RETURN(const std::vector<std::string> profiles, OfferedProfiles());
  ASSIGN_OR_RETURN(ModelConfig config, ReadModelConfig(options.model_dir));
  ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::Open(options.model_dir));
  RETURN_IF_ERROR(CheckModelTensors(checkpoint, config));
  ASSIGN_OR_RETURN(const v1::ModelIdentity model,
                   IdentifyModel(config, checkpoint, options.precision));
  std::unique_ptr<AttentionWorker> worker(new AttentionWorker(std::make_unique<Parts>(
      std::move(config), std::move(checkpoint), std::move(options), metrics)));
  Parts& parts = *worker->parts_;
  RETURN_IF_ERROR(parts.Load());
  log.Info("opened the model", {{"folder", parts.options.model_dir},
                                {"layers", parts.config.num_hidden_layers},
                                {"profile", profiles.front()},
                                {"cache_mib", parts.cache->shape().BytesTotal() >> 20}});
  ASSIGN_OR_RETURN(parts.server, RpcServer::Start({.listen = parts.options.listen,
                                                   .services = {&parts.service}}));

  v1::Hello hello;
  hello.set_role(v1::ROLE_ATTENTION);
  *hello.mutable_endpoint() = EndpointOf(parts.server->targets());
  *hello.mutable_model() = model;
  for (const std::string& profile : profiles) hello.add_numeric_profiles(profile);
  hello.set_cache_blocks(parts.cache->shape().num_blocks);
  hello.set_block_tokens(kBlockTokens);
  hello.set_max_sequences(parts.options.max_sequences);
  hello.set_admin_target(parts.options.admin_target);
  log.Info("joining", {{"router", parts.options.router_target}});
  ASSIGN_OR_RETURN(parts.member,
                   Member::Join({.router_target = parts.options.router_target,
                                 .hello = hello,
                                 .join_timeout = parts.options.join_timeout,
                                 .on_event = [log](const std::string& line) { log.Info(line); },
                                 .on_ended = parts.options.on_ended}));
  const std::string& profile = parts.member->welcome().numeric_profile();
  ASSIGN_OR_RETURN(const Backend backend, ParseBackend(profile));
  log.Info("joined", {{"worker", parts.member->worker_id()}, {"profile", profile}});
  metrics.Label({{"engine", parts.member->worker_id()},
                 {"model_name", parts.member->welcome().model_name()}});
  RETURN_IF_ERROR(parts.BuildEngine(backend));
  const auto set_serving = [&parts](bool serving) {
    parts.server->SetServing(kServiceName, serving);
    parts.server->SetServing("", serving);
  };
  parts.role = std::make_unique<AttentionRole>(parts.exchange, *parts.thread, set_serving);
  set_serving(true);
  parts.member->Start(*parts.role);
  return worker;
}

AttentionWorker::~AttentionWorker() {
  Parts& parts = *parts_;
  parts.member = nullptr;
  if (parts.server != nullptr) {
    parts.server->SetServing(kServiceName, false);
    parts.server->SetServing("", false);
  }
  parts.exchange.Stop();
  if (parts.thread != nullptr) parts.thread->Stop();
  if (parts.server != nullptr) parts.server->Shutdown(kStreamGrace);
}

const std::vector<std::string>& AttentionWorker::targets() const {
  return parts_->server->targets();
}

void AttentionWorker::Leave(absl::Duration grace) { parts_->member->Leave(grace); }

absl::Status AttentionWorker::failure() const { return parts_->member->failure(); }

}  // namespace sextant
