// expert_worker: holds a share of the routed experts and computes what attention workers send.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
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

constexpr absl::Duration kDrainGrace = absl::Seconds(60);

struct Flags {
  std::string model;
  std::string router = "127.0.0.1:7070";
  std::vector<std::string> listen;
  std::string runtime_dir;
  std::int64_t threads = 0;
  std::string dtype = "bf16";
  std::int64_t admin_port = 0;
  std::string log_level = "info";
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--model", flags.model, "The model's folder")->required();
  app.add_option("--router", flags.router, "gRPC target of the router")->capture_default_str();
  app.add_option("--listen", flags.listen,
                 "gRPC target to listen on, such as 0.0.0.0:7103 or unix:/run/e.sock; may be given "
                 "several times [a unix socket in --runtime-dir]");
  app.add_option("--runtime-dir", flags.runtime_dir,
                 "Folder of the unix socket [a folder of the user's in /tmp]");
  app.add_option("--threads", flags.threads, "Threads that compute; 0: one per processor")
      ->check(CLI::Range(kThreadsRange.min, kThreadsRange.max))
      ->capture_default_str();
  app.add_option("--dtype", flags.dtype, "bf16 or fp32: where results are rounded")
      ->check(CLI::IsMember({"bf16", "fp32"}))
      ->capture_default_str();
  app.add_option("--admin-port", flags.admin_port, "Port of the metrics page; 0: any, -1: none")
      ->check(CLI::Range(kAdminPortRange.min, kAdminPortRange.max))
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
}

absl::Status Run(Flags flags, StopSignals& signals) {
  if (flags.listen.empty()) flags.listen.push_back(OwnUnixTarget(flags.runtime_dir, "expert"));
  ASSIGN_OR_RETURN(const LogLevel level, ParseLogLevel(flags.log_level));
  const Logger log("expert_worker", level);
  Metrics metrics;
  std::unique_ptr<MetricsServer> page;
  if (flags.admin_port >= 0) {
    ASSIGN_OR_RETURN(page,
                     MetricsServer::Start(metrics, {.port = static_cast<int>(flags.admin_port)}));
  }
  ASSIGN_OR_RETURN(
      const std::unique_ptr<ExpertWorker> worker,
      ExpertWorker::Start({.model_dir = flags.model,
                           .router_target = flags.router,
                           .listen = flags.listen,
                           .threads = ThreadCount(flags.threads),
                           .precision = flags.dtype == "bf16" ? Precision::kBf16 : Precision::kFp32,
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
  worker->Leave(kDrainGrace);
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
