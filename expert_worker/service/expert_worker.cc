#include "expert_worker/service/expert_worker.h"

#include <utility>

#include "common/base/status.h"
#include "common/config/model_config.h"
#include "common/device/backend.h"
#include "common/exchange/frame.h"
#include "common/membership/member.h"
#include "common/membership/model_identity.h"
#include "common/membership/worker_hello.h"
#include "common/rpc/server.h"
#include "common/weights/checkpoint.h"
#include "expert_worker/compute/shard_experts.h"
#include "expert_worker/dispatch/dispatch_worker.h"
#include "expert_worker/service/expert_metrics.h"
#include "expert_worker/service/expert_role.h"
#include "expert_worker/service/expert_service.h"
#include "expert_worker/store/expert_shard.h"

namespace sextant {
namespace {

constexpr char kServiceName[] = "sextant.v1.Expert";
constexpr absl::Duration kStreamGrace = absl::Seconds(1);

}  // namespace

// In the order of their construction; destroyed the other way round.
struct ExpertWorker::Parts {
  Parts(ModelConfig config_in, Checkpoint checkpoint_in, const Options& options, Metrics& registry)
      : config(std::move(config_in)),
        checkpoint(std::move(checkpoint_in)),
        shard(config, checkpoint, options.precision),
        experts(config, shard, {.threads = options.threads, .precision = options.precision}),
        metrics(registry),
        worker({.num_experts = static_cast<std::int32_t>(config.n_routed_experts),
                .hidden = config.hidden_size,
                .type = StorageType(options.precision),
                .queue_capacity = ExpertService::kMaxDispatches,
                .observer = &metrics},
               experts),
        service(worker) {}

  ModelConfig config;
  Checkpoint checkpoint;
  ExpertShard shard;
  ShardExperts experts;
  ExpertMetrics metrics;
  DispatchWorker worker;
  ExpertService service;
  std::unique_ptr<RpcServer> server;
  std::unique_ptr<ExpertRole> role;
  std::unique_ptr<Member> member;
};

ExpertWorker::ExpertWorker(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

absl::StatusOr<std::unique_ptr<ExpertWorker>> ExpertWorker::Start(Options options,
                                                                  Metrics& metrics) {
  const Logger& log = options.log;
  ASSIGN_OR_RETURN(const std::vector<std::string> profiles, OfferedProfiles());
  ASSIGN_OR_RETURN(ModelConfig config, ReadModelConfig(options.model_dir));
  ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::Open(options.model_dir));
  ASSIGN_OR_RETURN(const v1::ModelIdentity model,
                   IdentifyModel(config, checkpoint, options.precision));
  log.Info("opened the model", {{"folder", options.model_dir},
                                {"experts", config.n_routed_experts},
                                {"profile", profiles.front()}});
  auto parts = std::make_unique<Parts>(std::move(config), std::move(checkpoint), options, metrics);
  ASSIGN_OR_RETURN(parts->server, RpcServer::Start({.listen = options.listen,
                                                    .services = {&parts->service},
                                                    .max_message_bytes = kMaxFrameBytes}));
  std::unique_ptr<ExpertWorker> worker(new ExpertWorker(std::move(parts)));
  Parts& started = *worker->parts_;

  v1::Hello hello;
  hello.set_role(v1::ROLE_EXPERT);
  *hello.mutable_endpoint() = EndpointOf(started.server->targets());
  *hello.mutable_model() = model;
  for (const std::string& profile : profiles) hello.add_numeric_profiles(profile);
  hello.set_admin_target(options.admin_target);
  log.Info("joining", {{"router", options.router_target}});
  const auto tell = [log](const std::string& line) { log.Info(line); };
  ASSIGN_OR_RETURN(started.member, Member::Join({.router_target = options.router_target,
                                                 .hello = hello,
                                                 .join_timeout = options.join_timeout,
                                                 .on_event = tell,
                                                 .on_ended = options.on_ended}));
  const std::string& profile = started.member->welcome().numeric_profile();
  ASSIGN_OR_RETURN(const Backend backend, ParseBackend(profile));
  log.Info("joined", {{"worker", started.member->worker_id()}, {"profile", profile}});
  metrics.Label({{"engine", started.member->worker_id()},
                 {"model_name", started.member->welcome().model_name()}});
  started.experts.Use(backend);
  started.role = std::make_unique<ExpertRole>(ExpertRole::Parts{
      .worker_id = started.member->worker_id(),
      .shard = started.shard,
      .worker = started.worker,
      .metrics = started.metrics,
      .log = log,
  });
  started.server->SetServing(kServiceName, true);
  started.server->SetServing("", true);
  started.member->Start(*started.role);
  return worker;
}

ExpertWorker::~ExpertWorker() {
  parts_->member = nullptr;
  parts_->server->SetServing(kServiceName, false);
  parts_->server->SetServing("", false);
  parts_->server->Shutdown(kStreamGrace);
  parts_->worker.Stop();
}

const std::vector<std::string>& ExpertWorker::targets() const { return parts_->server->targets(); }

void ExpertWorker::Leave(absl::Duration grace) { parts_->member->Leave(grace); }

absl::Status ExpertWorker::failure() const { return parts_->member->failure(); }

}  // namespace sextant
