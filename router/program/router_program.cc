#include "router/program/router_program.h"

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "common/base/file.h"
#include "common/base/status.h"
#include "common/config/config.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "router/model_text/model_text.h"
#include "router/program/live_settings.h"
#include "router/program/router_flags.h"
#include "router/service/control_plane/control_plane.h"
#include "router/service/front.h"
#include "router/service/inference_service.h"

namespace sextant::router {
namespace {

constexpr char kRole[] = "router";
constexpr char kInference[] = "sextant.v1.Inference";
constexpr absl::Duration kEndGrace = absl::Seconds(1);

std::string ModelName(const RouterFlags& flags, const RouterConfig& config) {
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

// Until `stop` says so. Without a configuration file there is none to follow.
void FollowFile(const RouterFlags& flags, LiveSettings& settings, StopSource& stop) {
  if (flags.program.config_file.empty()) return stop.Wait();
  while (!stop.WaitFor(kFileEvery)) settings.Poll();
}

// Lets running requests end, at most for `patience`; a second signal ends the process meanwhile.
void WaitForRequests(const Front& front, absl::Duration patience) {
  const absl::Time end = absl::Now() + patience;
  while (front.requests() > 0 && absl::Now() < end) absl::SleepFor(absl::Milliseconds(20));
}

absl::Status Run(const RouterFlags& flags, StopSource& stop, const ReadyFunction& on_ready) {
  std::string yaml;
  if (!flags.program.config_file.empty()) {
    ASSIGN_OR_RETURN(yaml, ReadFile(flags.program.config_file, kMaxYamlBytes));
  }
  ASSIGN_OR_RETURN(const Config config, ReadRouterConfig(flags, yaml));
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
  coordinator.placement = PlacementOf(config.router);
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
  LiveSettings settings(
      {.path = flags.program.config_file,
       .text = yaml,
       .read = [&flags](absl::string_view now) { return ReadRouterConfig(flags, now); },
       .apply =
           [&control](const PlacementSettings& placement) { control.SetPlacement(placement); }},
      config, metrics, log);
  FollowFile(flags, settings, stop);
  log.Info("stopping; a second signal stops at once", {{"requests", front.requests()}});
  server->StopListening();
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
  router::RouterFlags flags;
  router::AddRouterFlags(app, flags);
  if (const auto status = Parse(app, arguments)) return *status;
  return ExitStatus(router::kRole, router::Run(flags, stop, on_ready));
}

}  // namespace sextant
