// `sextant up`: a cluster on this host, one process for each role, kept running.
#include <grpcpp/client_context.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "attention_worker/program/attention_worker_program.h"
#include "cli/commands.h"
#include "cli/engine_flags.h"
#include "cli/supervisor/child_processes.h"
#include "cli/supervisor/child_threads.h"
#include "cli/supervisor/cluster_plan.h"
#include "cli/supervisor/cluster_progress.h"
#include "cli/supervisor/host_link.h"
#include "cli/supervisor/runtime_dir.h"
#include "cli/supervisor/supervisor.h"
#include "cli/supervisor/worker_kinds.h"
#include "cli/worker.h"
#include "common/base/status.h"
#include "common/config/config.h"
#include "common/membership/roles.h"
#include "common/observability/log.h"
#include "common/program/process.h"
#include "common/rpc/channel.h"
#include "expert_worker/program/expert_worker_program.h"
#include "proto/sextant/v1/admin.grpc.pb.h"
#include "router/program/router_program.h"

namespace sextant::cli {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kStatusEvery = absl::Milliseconds(50);

struct Options {
  std::string model;
  std::string config;
  std::optional<std::int64_t> attention;
  std::optional<std::int64_t> experts;
  std::optional<std::int64_t> whole;
  std::optional<std::int64_t> colocated;
  std::vector<std::string> listen;
  std::string runtime_dir;
  bool in_process = false;
};

// The bundled model of the tree that this program was built in, or of the current folder.
absl::StatusOr<std::string> DefaultModel() {
  for (const fs::path& root : {fs::path("."), OwnProgram().parent_path() / ".." / ".."}) {
    std::error_code error;
    const fs::path model = root / "models" / "demo";
    if (fs::exists(model / "config.json", error)) return model.lexically_normal().string();
  }
  return absl::NotFoundError("there is no bundled model at models/demo; give --model DIR");
}

absl::StatusOr<Config> MakeConfig(const Options& options) {
  Config config;
  if (!options.config.empty()) {
    ASSIGN_OR_RETURN(config, ReadConfig(options.config));
  }
  ClusterConfig& cluster = config.cluster;
  RETURN_IF_ERROR(LayOver(options.whole, "--whole", kWholeWorkersRange, cluster.whole_workers));
  RETURN_IF_ERROR(
      LayOver(options.colocated, "--colocated", kColocatedWorkersRange, cluster.colocated_workers));
  // These need no others.
  if (options.whole.value_or(0) + options.colocated.value_or(0) > 0) {
    cluster.attention_workers = cluster.expert_workers = 0;
  }
  RETURN_IF_ERROR(
      LayOver(options.attention, "--attention", kAttentionWorkersRange, cluster.attention_workers));
  RETURN_IF_ERROR(
      LayOver(options.experts, "--experts", kExpertWorkersRange, cluster.expert_workers));
  RETURN_IF_ERROR(CheckWorkerCounts(cluster));
  RETURN_IF_ERROR(CheckEngineConfig(config.engine));
  RETURN_IF_ERROR(CheckDevices({.whole = cluster.whole_workers,
                                .colocated = cluster.colocated_workers,
                                .attention = cluster.attention_workers,
                                .experts = cluster.expert_workers},
                               config.engine.device));
  if (cluster.attention_workers > 0 && config.engine.device == DeviceChoice::kAuto) {
    config.engine.device = DeviceChoice::kCpu;  // of whole workers too: profiles do not mix
  }
  if (!options.listen.empty()) config.router.listen = options.listen;
  return config;
}

// "1 attention and 2 expert workers"
std::string WorkersText(const ClusterConfig& cluster) {
  std::vector<std::string> counts;
  for (const auto& [role, count] : {std::pair(v1::ROLE_WHOLE, cluster.whole_workers),
                                    std::pair(v1::ROLE_COLOCATED, cluster.colocated_workers),
                                    std::pair(v1::ROLE_ATTENTION, cluster.attention_workers),
                                    std::pair(v1::ROLE_EXPERT, cluster.expert_workers)}) {
    if (count > 0) counts.push_back(absl::StrCat(count, " ", RoleName(role)));
  }
  const std::int64_t all = cluster.whole_workers + cluster.colocated_workers +
                           cluster.attention_workers + cluster.expert_workers;
  return absl::StrCat(absl::StrJoin(counts, " and "), all == 1 ? " worker" : " workers");
}

// What to scale, as an example: twice as many of those that compute the experts.
std::string ScaleExample(const ClusterConfig& cluster) {
  for (const auto& [role, count] : {std::pair("experts", cluster.expert_workers),
                                    std::pair("colocated", cluster.colocated_workers)}) {
    if (count > 0) return absl::StrCat(role, " ", std::min(2 * count, kExpertWorkersRange.max));
  }
  return absl::StrCat("whole ", std::min(2 * cluster.whole_workers, kExpertWorkersRange.max));
}

class LocalCluster {
 public:
  LocalCluster(std::vector<ChildSpec> plan, const ClusterPlanArgs& args, ChildRunner& processes)
      : router_target_(args.router_target),
        config_(args.config),
        processes_(processes),
        log_("up", args.config.cluster.log_level),
        supervisor_(
            std::move(plan),
            {.drain = absl::Seconds(args.config.cluster.drain_seconds),
             .make_worker = [args](ChildKind kind, int index,
                                   int count) { return PlanWorker(args, kind, index, count); }},
            processes, [this](const std::string& line) { log_.Warning(line); }),
        progress_(args.config.cluster) {}

  // Until every process is gone.
  absl::Status Run() {
    supervisor_.Start(absl::Now());
    while (!supervisor_.Done()) {
      FollowRouter();
      absl::Time wake =
          std::min(supervisor_.NextDeadline(),
                   serving_ || stopping_ ? absl::InfiniteFuture() : absl::Now() + kStatusEvery);
      if (link_ != nullptr) wake = std::min(wake, link_->NextDial());
      for (const ChildEvent& event : processes_.Wait(wake - absl::Now())) Handle(event);
      supervisor_.OnTime(absl::Now());
      if (!serving_ && !stopping_ && !router_targets_.empty()) AskForStatus();
    }
    return supervisor_.failure();
  }

 private:
  void Handle(const ChildEvent& event) {
    if (std::holds_alternative<StopRequested>(event)) {
      Say(stopping_ ? "stopping now" : "stopping: running streams may end; again to stop now");
      stopping_ = true;
    }
    supervisor_.Handle(event, absl::Now());
    const auto* ready = std::get_if<ChildReady>(&event);
    if (ready != nullptr && ready->pid == supervisor_.children().front().pid) {
      OnRouterReady(ready->targets);
    }
  }

  void OnRouterReady(const std::vector<std::string>& targets) {
    if (!router_targets_.empty()) return;
    router_targets_ = targets;
    // Its own socket, by which only the workers come, is the last one.
    if (router_targets_.size() > 1) router_targets_.pop_back();
    // Started again it is to be found where it was, also if the port was chosen by the system.
    supervisor_.ReplaceFlag(ChildKind::kRouter, "--listen", targets);
    Say(absl::StrCat("router: listens at ", absl::StrJoin(router_targets_, ", ")));
    admin_ = v1::Admin::NewStub(OpenChannel(router_target_));
    link_ = std::make_unique<HostLink>(OpenChannel(router_target_), [this] { processes_.Wake(); });
  }

  // Starts and stops workers as the router says, and tells it what runs.
  void FollowRouter() {
    if (stopping_) link_ = nullptr;
    if (link_ == nullptr) return;
    const absl::Time now = absl::Now();
    if (const std::optional<v1::HostOrders> orders = link_->TakeOrders()) {
      const std::set<int> leaving(orders->leaving_pids().begin(), orders->leaving_pids().end());
      const std::set<int> members(orders->member_pids().begin(), orders->member_pids().end());
      for (const v1::RoleCount& wanted : orders->wanted()) {
        for (const auto& [kind, role] : kWorkerKinds) {
          if (role != wanted.role()) continue;
          supervisor_.SetWanted(kind, wanted.count(), leaving, members, now);
        }
      }
    }
    v1::HostReport report;
    report.set_name(absl::StrCat("sextant up (process ", getpid(), ")"));
    report.set_host_id(host_id_);
    for (const auto& [kind, role] : kWorkerKinds) {
      v1::RoleCount& wanted = *report.add_wanted();
      wanted.set_role(role);
      wanted.set_count(supervisor_.wanted(kind));
    }
    for (const Supervisor::Child& child : supervisor_.children()) {
      if (child.spec.kind != ChildKind::kRouter && child.pid != 0) report.add_pids(child.pid);
    }
    report.set_problem(supervisor_.Trouble());
    link_->Keep(std::move(report), now);
  }

  void AskForStatus() {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Milliseconds(500)));
    v1::ClusterStatus status;
    if (!admin_->Status(&context, v1::StatusRequest(), &status).ok()) return;
    for (const std::string& line : progress_.Update(status)) Say(line);
    if (!supervisor_.AllReady() || !Serves(status)) return;
    serving_ = true;
    SayReady(status);
  }

  void SayReady(const v1::ClusterStatus& status) const {
    const std::string program = fs::proximate(OwnProgram()).string();
    const std::string& target = router_targets_.front();
    const std::string at =
        target == RouterConfig().listen.front() ? "" : absl::StrCat(" --router ", target);
    std::printf(
        "ready cluster %s\n\n"
        "Serving %s (%s, %s) after %.1f s, with %s. Try:\n"
        "  %s chat%s\n"
        "  %s status%s\n"
        "  %s bench serve%s\n"
        "  %s scale %s%s\n"
        "Ctrl-C or SIGTERM stops it when the running streams have ended; a second one at once.\n",
        absl::StrJoin(router_targets_, " ").c_str(), status.model().id().c_str(),
        status.model().dtype().c_str(), status.numeric_profile().c_str(),
        absl::ToDoubleSeconds(absl::Now() - started_), WorkersText(config_.cluster).c_str(),
        program.c_str(), at.c_str(), program.c_str(), at.c_str(), program.c_str(), at.c_str(),
        program.c_str(), ScaleExample(config_.cluster).c_str(), at.c_str());
    std::fflush(stdout);
  }

  static void Say(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

  const std::string router_target_;
  const std::string host_id_ = HostId();
  const Config& config_;
  ChildRunner& processes_;
  const Logger log_;
  const absl::Time started_ = absl::Now();
  Supervisor supervisor_;
  ClusterProgress progress_;
  std::vector<std::string> router_targets_;
  std::unique_ptr<v1::Admin::Stub> admin_;
  std::unique_ptr<HostLink> link_;  // once the router has been ready
  bool serving_ = false;
  bool stopping_ = false;
};

absl::StatusOr<std::unique_ptr<ChildRunner>> OpenRunner(bool in_process) {
  if (!in_process) return ChildProcesses::Open();
  PrepareProcess();
  return ChildThreads::Open({{"router", RouterProgram},
                             {"attention_worker", AttentionWorkerProgram},
                             {"expert_worker", ExpertWorkerProgram},
                             {"sextant", WorkerProgram}});
}

absl::Status Up(const Options& options) {
  ASSIGN_OR_RETURN(const Config config, MakeConfig(options));
  std::string model = options.model;
  if (model.empty()) {
    ASSIGN_OR_RETURN(model, DefaultModel());
  }
  ASSIGN_OR_RETURN(const auto runtime_dir, RuntimeDir::Make(options.runtime_dir));
  const ClusterPlanArgs args = {
      .config = config,
      .model_dir = fs::absolute(model).lexically_normal().string(),
      .program_dir = options.in_process ? "" : OwnProgram().parent_path().string(),
      .runtime_dir = runtime_dir->path(),
      .router_target = RouterSocket(runtime_dir->path()),
      .processors = static_cast<int>(std::thread::hardware_concurrency())};
  ASSIGN_OR_RETURN(std::vector<ChildSpec> plan, PlanCluster(args));
  // Before gRPC makes threads, which are to leave signals to this one.
  ASSIGN_OR_RETURN(const auto processes, OpenRunner(options.in_process));
  std::fprintf(stderr, "starting %d %s for %s\n", static_cast<int>(plan.size()),
               options.in_process ? "roles in this process" : "processes", model.c_str());
  LocalCluster cluster(std::move(plan), args, *processes);
  return cluster.Run();
}

}  // namespace

void AddUpCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "up", "Run a cluster on this host: a router and workers, on the CPU or on GPUs");
  command->footer(
      "\nOne process for each, started again when it dies; `sextant scale` changes how many there\n"
      "are while streams run. When it serves, one line\n"
      "\"ready cluster HOST:PORT\" is written to standard output, and commands to try.\n\n"
      "  sextant up --model models/demo --experts 3\n"
      "  sextant up --model /models/lite --whole 1\n"
      "  sextant up --model /models/lite --colocated 8\n"
      "  sextant up --config cluster.yaml --listen 0.0.0.0:7070");
  command
      ->add_option("-m,--model", options->model,
                   "Folder of the checkpoint, as downloaded [models/demo]")
      ->type_name("DIR");
  command->add_option("--config", options->config, "YAML file of settings (docs/configuration.md)")
      ->type_name("FILE");
  command->add_option("--attention", options->attention, "Attention workers [1]")->type_name("N");
  command->add_option("--experts", options->experts, "Expert workers [2]")->type_name("N");
  command
      ->add_option("--whole", options->whole,
                   "Whole workers, which compute attention and experts, one for each GPU [0];\n"
                   "beside them others run only when they are asked for here")
      ->type_name("N");
  command
      ->add_option("--colocated", options->colocated,
                   "Colocated workers, which compute one model together, one on each GPU [0]")
      ->type_name("N");
  command
      ->add_option("--listen", options->listen,
                   "Where the router listens, port 0 for any [127.0.0.1:7070]; may be repeated")
      ->type_name("HOST:PORT");
  command
      ->add_option("--runtime-dir", options->runtime_dir,
                   "Folder of the unix sockets between the processes [a temporary one]")
      ->type_name("DIR");
  command->add_flag("--in-process", options->in_process,
                    "All roles in this one process, for a debugger or a profiler");
  command->callback([options, &exit_code] { exit_code = ExitCode("up", Up(*options)); });
}

}  // namespace sextant::cli
