#include "cli/worker/expert_rank.h"

#include <cstdlib>
#include <thread>
#include <utility>

#include "common/base/status.h"
#include "common/config/model_config.h"
#include "common/membership/member.h"
#include "common/membership/model_identity.h"
#include "common/membership/worker_hello.h"
#include "common/rpc/server.h"
#include "common/weights/checkpoint.h"
#include "common/weights/model_tensors.h"

namespace sextant::cli {
namespace {

constexpr char kServiceName[] = "sextant.v1.Ranks";
constexpr absl::Duration kStreamGrace = absl::Seconds(1);

class Role final : public MemberRole {
 public:
  Role(RankControl& control, std::string worker_id)
      : control_(control), worker_id_(std::move(worker_id)) {}

  [[nodiscard]] absl::Status Prepare(const v1::Placement& placement) override {
    return control_.Prepare(placement, worker_id_);
  }
  void Commit(std::uint64_t epoch) override { control_.Commit(epoch); }
  void Supersede(std::uint64_t epoch) override { control_.Supersede(epoch); }
  void Halt(std::uint64_t before) override { control_.Halt(before); }
  void Retire(std::uint64_t epoch) override { control_.Retire(epoch); }
  // What it works on are steps of others, who see whether they move.
  void FillHeartbeat(v1::Heartbeat& beat) override { beat.set_progressing(true); }

 private:
  RankControl& control_;
  const std::string worker_id_;
};

}  // namespace

// In the order of their construction; destroyed the other way round.
struct ExpertRank::Parts {
  Parts(ModelConfig config_in, Checkpoint checkpoint_in, Logger log_in)
      : config(std::move(config_in)),
        checkpoint(std::move(checkpoint_in)),
        log(std::move(log_in)) {}

  void TakeSteps();

  ModelConfig config;
  Checkpoint checkpoint;
  Logger log;
  OpenedRank opened;
  std::thread thread;
  std::unique_ptr<RpcServer> server;
  std::unique_ptr<Role> role;
  std::unique_ptr<Member> member;
};

void ExpertRank::Parts::TakeSteps() {
  while (true) {
    const absl::StatusOr<Served> served = opened.rank->exchange().Serve();
    if (absl::IsCancelled(served.status())) return;
    if (served.ok()) continue;
    log.Error("can compute nothing any more; ending, so that others take over",
              {{"error", served.status().ToString()}});
    std::_Exit(EXIT_FAILURE);
  }
}

ExpertRank::ExpertRank(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

absl::StatusOr<std::unique_ptr<ExpertRank>> ExpertRank::Start(Options options, Metrics& metrics) {
  const Logger& log = options.log;
  ASSIGN_OR_RETURN(ModelConfig config, ReadModelConfig(options.model_dir));
  ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::Open(options.model_dir));
  RETURN_IF_ERROR(CheckModelTensors(checkpoint, config));
  ASSIGN_OR_RETURN(const v1::ModelIdentity model,
                   IdentifyModel(config, checkpoint, options.precision));
  std::unique_ptr<ExpertRank> worker(
      new ExpertRank(std::make_unique<Parts>(std::move(config), std::move(checkpoint), log)));
  Parts& parts = *worker->parts_;
  ASSIGN_OR_RETURN(parts.opened, OpenRankDevice({.config = parts.config,
                                                 .checkpoint = parts.checkpoint,
                                                 .log = log,
                                                 .threads = options.threads,
                                                 .precision = options.precision,
                                                 .max_batch_tokens = options.max_batch_tokens,
                                                 .max_sequences = options.max_sequences},
                                                options.device));
  parts.thread = std::thread([&parts] { parts.TakeSteps(); });
  ASSIGN_OR_RETURN(
      parts.server,
      RpcServer::Start({.listen = options.listen, .services = {&parts.opened.control->service()}}));

  v1::Hello hello;
  hello.set_role(v1::ROLE_EXPERT);
  hello.set_rank(true);
  hello.set_rank_layout(parts.opened.layout);
  *hello.mutable_endpoint() = EndpointOf(parts.server->targets());
  *hello.mutable_model() = model;
  hello.add_numeric_profiles(kRankProfile);
  hello.set_admin_target(options.admin_target);
  log.Info("joining", {{"router", options.router_target}});
  ASSIGN_OR_RETURN(parts.member,
                   Member::Join({.router_target = options.router_target,
                                 .hello = hello,
                                 .join_timeout = options.join_timeout,
                                 .on_event = [log](const std::string& line) { log.Info(line); },
                                 .on_ended = options.on_ended}));
  log.Info("joined", {{"worker", parts.member->worker_id()}, {"profile", kRankProfile}});
  metrics.Label({{"engine", parts.member->worker_id()},
                 {"model_name", parts.member->welcome().model_name()}});
  parts.role = std::make_unique<Role>(*parts.opened.control, parts.member->worker_id());
  parts.server->SetServing(kServiceName, true);
  parts.server->SetServing("", true);
  parts.member->Start(*parts.role);
  return worker;
}

ExpertRank::~ExpertRank() {
  Parts& parts = *parts_;
  // The membership's end waits for an epoch that is being prepared, which waits for others.
  if (parts.opened.control != nullptr) parts.opened.control->StopSteps();
  parts.member = nullptr;
  if (parts.server != nullptr) {
    parts.server->SetServing(kServiceName, false);
    parts.server->SetServing("", false);
  }
  if (parts.opened.control == nullptr) return;
  if (parts.thread.joinable()) parts.thread.join();
  parts.opened.control->StopStreams();
  if (parts.server != nullptr) parts.server->Shutdown(kStreamGrace);
}

const std::vector<std::string>& ExpertRank::targets() const { return parts_->server->targets(); }

void ExpertRank::Leave(absl::Duration grace) { parts_->member->Leave(grace); }

absl::Status ExpertRank::failure() const { return parts_->member->failure(); }

}  // namespace sextant::cli
