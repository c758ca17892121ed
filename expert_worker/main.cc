// expert_worker: holds a share of the routed experts and computes what attention workers send.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/config/config.h"
#include "common/device/thread_pool.h"
#include "common/observability/metrics_server.h"
#include "common/rpc/process.h"
#include "common/rpc/stop_signals.h"
#include "common/rpc/unix_socket.h"
#include "expert_worker/service/expert_worker.h"

namespace sextant {
namespace {

struct Flags {
  std::string model;
  std::string router = "127.0.0.1:7070";
  std::string config_file;
  std::vector<std::string> listen;
  std::string runtime_dir;
  std::optional<std::int64_t> threads;
  std::optional<std::string> dtype;
  std::optional<std::int64_t> admin_port;
  std::optional<std::string> log_level;
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--model", flags.model, "The model's folder")->required();
  app.add_option("--router", flags.router, "gRPC target of the router")->capture_default_str();
  app.add_option("--config", flags.config_file,
                 "YAML file of the cluster's settings; flags win over it");
  app.add_option("--listen", flags.listen,
                 "gRPC target to listen on, such as 0.0.0.0:7103 or unix:/run/e.sock; may be given "
                 "several times [a unix socket in --runtime-dir]");
  app.add_option("--runtime-dir", flags.runtime_dir,
                 "Folder of the unix socket [a folder of the user's in /tmp]");
  app.add_option("--threads", flags.threads, "Threads that compute; 0: one per processor [0]")
      ->check(CLI::Range(kThreadsRange.min, kThreadsRange.max));
  app.add_option("--dtype", flags.dtype, "bf16 or fp32: where results are rounded [bf16]")
      ->check(CLI::IsMember({"bf16", "fp32"}));
  app.add_option("--admin-port", flags.admin_port, "Port of the metrics page; 0: any, -1: none [0]")
      ->check(CLI::Range(kAdminPortRange.min, kAdminPortRange.max));
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error [info]")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
}

// The file's settings with the flags laid over them.
absl::StatusOr<Config> MakeConfig(const Flags& flags) {
  Config config;
  if (!flags.config_file.empty()) {
    ASSIGN_OR_RETURN(config, ReadConfig(flags.config_file));
  }
  if (flags.threads.has_value()) config.engine.threads = *flags.threads;
  if (flags.dtype.has_value()) {
    config.engine.dtype = *flags.dtype == "bf16" ? Precision::kBf16 : Precision::kFp32;
  }
  if (flags.admin_port.has_value()) config.expert_worker.admin_port = *flags.admin_port;
  if (flags.log_level.has_value()) {
    ASSIGN_OR_RETURN(config.cluster.log_level, ParseLogLevel(*flags.log_level));
  }
  if (!flags.listen.empty()) config.expert_worker.listen = flags.listen;
  return config;
}

absl::Status Run(const Flags& flags, StopSignals& signals) {
  ASSIGN_OR_RETURN(const Config config, MakeConfig(flags));
  std::vector<std::string> listen = config.expert_worker.listen;
  if (listen.empty()) listen.push_back(OwnUnixTarget(flags.runtime_dir, "expert"));
  const Logger log("expert_worker", config.cluster.log_level);
  Metrics metrics;
  std::unique_ptr<MetricsServer> page;
  if (config.expert_worker.admin_port >= 0) {
    const int port = static_cast<int>(config.expert_worker.admin_port);
    ASSIGN_OR_RETURN(page, MetricsServer::Start(metrics, {.port = port}));
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<ExpertWorker> worker,
                   ExpertWorker::Start({.model_dir = flags.model,
                                        .router_target = flags.router,
                                        .listen = listen,
                                        .threads = ThreadCount(config.engine.threads),
                                        .precision = config.engine.dtype,
                                        .admin_target = page == nullptr ? "" : page->target(),
                                        .log = log,
                                        .on_ended = [&signals] { signals.Request(); }},
                                       metrics));
  std::string ready = "ready expert_worker";
  for (const std::string& target : worker->targets()) absl::StrAppend(&ready, " ", target);
  std::puts(ready.c_str());
  std::fflush(stdout);

  signals.Ready();
  signals.Wait();
  RETURN_IF_ERROR(worker->failure());
  log.Info("leaving; a second signal stops at once");
  worker->Leave(absl::Seconds(config.cluster.drain_seconds));
  return absl::OkStatus();
}

}  // namespace
}  // namespace sextant

int main(int argc, char** argv) {
  sextant::PrepareProcess();
  CLI::App app{"Holds routed experts of a Sextant cluster and computes with them"};
  sextant::Flags flags;
  sextant::AddFlags(app, flags);
  CLI11_PARSE(app, argc, argv);
  sextant::StopSignals signals;
  const absl::Status status = sextant::Run(flags, signals);
  if (status.ok()) return 0;
  std::fprintf(stderr, "error: %s\n", std::string(status.message()).c_str());
  return 1;
}
