#include "router/program/router_program.h"

#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "common/base/status.h"
#include "common/config/config.h"
#include "common/program/program_flags.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "router/model_text/model_text.h"
#include "router/service/control_plane/control_plane.h"
#include "router/service/front.h"
#include "router/service/inference_service.h"

namespace sextant::router {
namespace {

constexpr char kRole[] = "router";
constexpr char kInference[] = "sextant.v1.Inference";
constexpr absl::Duration kEndGrace = absl::Seconds(1);

struct Flags {
  ProgramFlags program;
  std::string model;
  std::vector<std::string> listen;
  std::optional<std::int64_t> queue;
  std::optional<std::int64_t> wait_seconds;
  std::optional<std::string> served_model_name;
  std::string profile;
  int expert_workers = 0;
  std::optional<bool> rebalance;
  std::optional<std::int64_t> spare_experts;
  std::optional<std::int64_t> replicated_experts;
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--model", flags.model,
                 "The model's folder: config.json and tokenizer; no weights are read")
      ->required();
  app.add_option("--listen", flags.listen,
                 "gRPC target to listen on, for clients and workers alike; may be given several "
                 "times [127.0.0.1:7070]");
  app.add_option("--queue", flags.queue, "Requests that may wait; more are refused [256]")
      ->check(Within(kQueueRange));
  app.add_option("--wait-seconds", flags.wait_seconds,
                 "That a request without a deadline waits while no worker can serve it [30]")
      ->check(Within(kWaitSecondsRange));
  app.add_option("--served-model-name", flags.served_model_name,
                 "What clients call the model [the name of its folder]");
  app.add_option("--numeric-profile", flags.profile,
                 "cpu-avx512bf16 or cpu-avx2, for every worker [the first worker's best]");
  app.add_option("--expert-workers", flags.expert_workers,
                 "Expert workers to wait for before experts are placed; 0: who comes first [0]")
      ->check(CLI::Range(0, 64));
  AddSwitch(app, "--rebalance", flags.rebalance,
            "on: move experts by observed load without being asked; off: when asked [off]");
  app.add_option("--spare-experts", flags.spare_experts,
                 "Experts that a worker may hold beyond an even share to even out the load [0]")
      ->check(Within(kSpareExpertsRange));
  app.add_option("--replicated-experts", flags.replicated_experts,
                 "So many experts, the hottest, are held by two workers [0]")
      ->check(Within(kReplicatedExpertsRange));
  AddProgramFlags(app, flags.program);
}

// The file's settings with the flags laid over them.
absl::StatusOr<Config> MakeConfig(const Flags& flags) {
  ASSIGN_OR_RETURN(Config config, ReadProgramConfig(flags.program));
  RouterConfig& own = config.router;
  LayOver(flags.program.admin_port, own.admin_port);
  LayOver(flags.listen, own.listen);
  LayOver(flags.queue, own.queue);
  LayOver(flags.wait_seconds, own.wait_seconds);
  LayOver(flags.served_model_name, own.served_model_name);
  LayOver(flags.rebalance, own.rebalance);
  LayOver(flags.spare_experts, own.spare_experts);
  LayOver(flags.replicated_experts, own.replicated_experts);
  return config;
}

std::string ModelName(const Flags& flags, const RouterConfig& config) {
  if (!config.served_model_name.empty()) return config.served_model_name;
  std::filesystem::path folder = std::filesystem::absolute(flags.model).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  return folder.filename().string();
}

// Of one routed expert in all layers, two bytes for each weight, as published.
std::int64_t ExpertBytes(const ModelConfig& model) {
  std::int64_t layers = 0;
  for (std::int64_t i = 0; i < model.num_hidden_layers; ++i) layers += model.IsMoeLayer(i) ? 1 : 0;
  return layers * 3 * model.hidden_size * model.moe_intermediate_size * 2;
}

std::uint64_t Randomness() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32U) | device();
}

// Lets running requests end, at most for `patience`; a second signal ends the process meanwhile.
void WaitForRequests(const Front& front, absl::Duration patience) {
  const absl::Time end = absl::Now() + patience;
  while (front.requests() > 0 && absl::Now() < end) absl::SleepFor(absl::Milliseconds(20));
}

absl::Status Run(const Flags& flags, StopSource& stop, const ReadyFunction& on_ready) {
  ASSIGN_OR_RETURN(const Config config, MakeConfig(flags));
  const Logger log(kRole, config.cluster.log_level);
  ASSIGN_OR_RETURN(const ModelConfig model, ReadModelConfig(flags.model));
  ASSIGN_OR_RETURN(const std::unique_ptr<const ModelText> text,
                   ModelText::Load(flags.model, model));
  const std::string name = ModelName(flags, config.router);
  Metrics metrics(MetricLabels{{"model_name", name}});
  ASSIGN_OR_RETURN(const auto page,
                   StartMetricsPage(metrics, config.cluster.admin_host, config.router.admin_port));
  if (page != nullptr) log.Info("metrics page", {{"target", page->target()}});

  // The server is there before the front reports, and ends before it.
  std::unique_ptr<RpcServer> server;
  Mutex serving_mutex;
  bool serving = false;
  const auto set_serving = [&](bool now) {
    const MutexLock lock(serving_mutex);
    serving = now;
    if (server != nullptr) server->SetServing(kInference, now);
  };
  Front front({.model = {.model_id = name,
                         .context_length = model.max_position_embeddings,
                         .vocab_size = model.vocab_size,
                         .randomness = Randomness()},
               .queue_capacity = config.router.queue,
               .wait_for_worker = absl::Seconds(config.router.wait_seconds),
               .own_host_id = HostId(),
               .on_serving = set_serving},
              *text, metrics, log);
  CoordinatorConfig coordinator;
  coordinator.model.set_id(name);
  coordinator.model.set_num_layers(static_cast<std::int32_t>(model.num_hidden_layers));
  coordinator.model.set_num_experts(static_cast<std::int32_t>(model.n_routed_experts));
  coordinator.numeric_profile = flags.profile;
  coordinator.expert_bytes = ExpertBytes(model);
  coordinator.auto_rebalance = config.router.rebalance;
  coordinator.spare_slots = static_cast<int>(config.router.spare_experts);
  coordinator.replicas = static_cast<int>(config.router.replicated_experts);
  coordinator.expected_expert_workers = flags.expert_workers;
  const auto queue_status = [&front] {
    v1::QueueStatus status;
    status.set_queued(front.queued());
    status.set_capacity(front.queue_capacity());
    status.set_running(front.running());
    return status;
  };
  ControlPlane control(std::move(coordinator), queue_status, &metrics);
  control.directory().Subscribe(
      [&front](const std::vector<AttentionWorkerInfo>& workers) { front.SetWorkers(workers); });
  control.directory().SubscribeToCover(
      [&front](const ExpertCover& cover) { front.SetCover(cover); });
  InferenceService inference({.created_unix_seconds = absl::ToUnixSeconds(absl::Now()),
                              .model_state =
                                  [&control] {
                                    const auto status = control.status();
                                    return InferenceService::ModelState{
                                        .numeric_profile = status->numeric_profile(),
                                        .dtype = status->model().dtype()};
                                  }},
                             front);
  ASSIGN_OR_RETURN(std::unique_ptr<RpcServer> started,
                   RpcServer::Start({.listen = config.router.listen,
                                     .services = {&inference, control.cluster(), control.hosts(),
                                                  control.admin()}}));
  {
    const MutexLock lock(serving_mutex);
    server = std::move(started);
    server->SetServing("", true);
    server->SetServing("sextant.v1.Admin", true);
    server->SetServing("sextant.v1.Cluster", true);
    server->SetServing(kInference, serving);
  }
  control.Start();
  on_ready(server->targets());

  stop.Ready();
  stop.Wait();
  log.Info("stopping; a second signal stops at once", {{"requests", front.requests()}});
  front.StopAdmission();
  WaitForRequests(front, absl::Seconds(config.cluster.drain_seconds));
  control.Stop();
  server->Shutdown(kEndGrace);
  front.Stop();
  return absl::OkStatus();
}

}  // namespace
}  // namespace sextant::router

namespace sextant {

int RouterProgram(const Arguments& arguments, StopSource& stop, const ReadyFunction& on_ready) {
  CLI::App app{"The front of a Sextant cluster: clients, operators and workers speak with it"};
  router::Flags flags;
  router::AddFlags(app, flags);
  if (const auto status = Parse(app, arguments)) return *status;
  return ExitStatus(router::kRole, router::Run(flags, stop, on_ready));
}

}  // namespace sextant
