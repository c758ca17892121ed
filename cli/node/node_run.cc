#include "cli/node/node_run.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/time/clock.h"
#include "cli/supervisor/worker_kinds.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "common/membership/roles.h"
#include "common/program/program.h"

namespace sextant::cli {
namespace {

constexpr absl::Duration kFileEvery = absl::Milliseconds(250);
constexpr char kWorkersService[] = "workers";

std::int64_t CountOf(const NodeConfig& node, ChildKind kind) {
  if (kind == ChildKind::kWholeWorker) return node.whole_workers;
  if (kind == ChildKind::kColocatedWorker) return node.colocated_workers;
  return kind == ChildKind::kAttentionWorker ? node.attention_workers : node.expert_workers;
}

// Whether the workers that it asks for can honour its other settings.
absl::Status CheckWorkers(const Config& config) {
  RETURN_IF_ERROR(CheckEngineConfig(config.engine));
  return CheckDevices({.whole = config.node.whole_workers,
                       .colocated = config.node.colocated_workers,
                       .attention = config.node.attention_workers,
                       .experts = config.node.expert_workers},
                      config.engine.device);
}

absl::StatusOr<std::vector<ChildSpec>> PlanAll(const NodePlanArgs& args) {
  std::vector<ChildSpec> workers;
  for (const auto& [kind, role] : kWorkerKinds) {
    const std::int64_t count = CountOf(args.config.node, kind);
    for (std::int64_t i = 0; i < count; ++i) {
      ASSIGN_OR_RETURN(ChildSpec worker, PlanNodeWorker(args, kind, i, count));
      workers.push_back(std::move(worker));
    }
  }
  return workers;
}

Config Parsed(const NodeRun::Options& options) {
  absl::StatusOr<Config> config = ParseConfig(options.config_text, options.config_file);
  CHECK(config.ok());  // it was read before
  return *std::move(config);
}

}  // namespace

absl::StatusOr<std::unique_ptr<NodeRun>> NodeRun::Start(Options options, ChildRunner& processes) {
  RETURN_IF_ERROR(CheckWorkers(options.plan.config));
  ASSIGN_OR_RETURN(std::vector<ChildSpec> workers, PlanAll(options.plan));
  std::unique_ptr<NodeRun> run(new NodeRun(std::move(options), std::move(workers), processes));
  RETURN_IF_ERROR(run->Serve());
  return run;
}

// Of the supervisor's options: a router may be away for as long as it likes, so it never gives up.
NodeRun::NodeRun(Options options, std::vector<ChildSpec> workers, ChildRunner& processes)
    : options_(std::move(options)),
      processes_(processes),
      log_("node", options_.plan.config.cluster.log_level),
      in_file_(Parsed(options_)),
      file_(options_.config_file, options_.config_text, kMaxYamlBytes),
      supervisor_(std::move(workers),
                  {.startup_attempts = std::numeric_limits<int>::max(),
                   .drain = absl::Seconds(options_.plan.config.cluster.drain_seconds),
                   .make_worker =
                       [this](ChildKind kind, int index, int count) {
                         return PlanNodeWorker(options_.plan, kind, index, count);
                       }},
                  processes, [this](const std::string& line) { log_.Warning(line); }),
      counted_(metrics_) {}

absl::Status NodeRun::Serve() {
  const Config& config = options_.plan.config;
  ASSIGN_OR_RETURN(page_,
                   StartMetricsPage(metrics_, config.cluster.admin_host, config.node.admin_port));
  if (page_ != nullptr) log_.Info("metrics page", {{"target", page_->target()}});
  ASSIGN_OR_RETURN(health_, RpcServer::Start({.listen = config.node.listen, .services = {}}));
  health_->SetServing("", true);
  health_->SetServing(kWorkersService, false);
  return absl::OkStatus();
}

void NodeRun::Run() {
  supervisor_.Start(absl::Now());
  while (!supervisor_.Done()) {
    Report();
    const absl::Time wake = std::min(supervisor_.NextDeadline(), absl::Now() + kFileEvery);
    for (const ChildEvent& event : processes_.Wait(wake - absl::Now())) Handle(event);
    FollowFile();
    supervisor_.OnTime(absl::Now());
  }
  log_.Info("all workers have gone");
}

void NodeRun::Handle(const ChildEvent& event) {
  if (std::holds_alternative<StopRequested>(event)) {
    log_.Info(stopping_ ? "stopping now"
                        : "stopping: workers leave the cluster; a second signal stops at once");
    stopping_ = true;
  }
  supervisor_.Handle(event, absl::Now());
}

void NodeRun::FollowFile() {
  const std::optional<absl::StatusOr<std::string>> change = file_.Poll();
  if (!change.has_value()) return;
  absl::StatusOr<Config> config = change->ok() ? Read(**change) : change->status();
  counted_.SetConfigValid(config.ok());
  if (config.ok()) return Take(*config);
  log_.Error("the configuration is not taken; the last good counts stay",
             {{"error", config.status().message()}});
}

absl::StatusOr<Config> NodeRun::Read(absl::string_view text) const {
  ASSIGN_OR_RETURN(Config config, ParseConfig(text, options_.config_file));
  // Its counts with the settings that workers are started with.
  Config meant = options_.plan.config;
  meant.node = config.node;
  RETURN_IF_ERROR(CheckWorkers(meant));
  return config;
}

void NodeRun::Take(const Config& config) {
  for (const auto& [kind, role] : kWorkerKinds) {
    const int count = static_cast<int>(CountOf(config.node, kind));
    if (count == supervisor_.wanted(kind)) continue;
    log_.Info("the configuration wants another number of workers",
              {{"role", RoleName(role)}, {"before", supervisor_.wanted(kind)}, {"now", count}});
    supervisor_.SetWanted(kind, count, {}, {}, absl::Now());
  }
  Config rest = config;
  rest.node.whole_workers = in_file_.node.whole_workers;
  rest.node.colocated_workers = in_file_.node.colocated_workers;
  rest.node.attention_workers = in_file_.node.attention_workers;
  rest.node.expert_workers = in_file_.node.expert_workers;
  if (rest == in_file_) return;
  log_.Warning(
      "the configuration differs in more than numbers of workers, which alone are followed; the "
      "rest counts from the next start on");
}

bool NodeRun::IsServing() const {
  return !stopping_ &&
         std::all_of(kWorkerKinds.begin(), kWorkerKinds.end(), [this](const WorkerKind& worker) {
           return supervisor_.ready(worker.kind) >= supervisor_.wanted(worker.kind);
         });
}

void NodeRun::Report() {
  counted_.Update(supervisor_);
  const bool serving = IsServing();
  health_->SetServing(kWorkersService, serving);
  if (!serving || said_ready_) return;
  said_ready_ = true;
  options_.on_ready(health_->targets());
}

}  // namespace sextant::cli
