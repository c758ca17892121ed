#include "common/program/worker_program.h"

namespace sextant {

void AddWorkerFlags(CLI::App& app, WorkerFlags& flags) {
  app.add_option("--model", flags.model, "The model's folder")->required();
  app.add_option("--router", flags.router, "gRPC target of the router")->capture_default_str();
  app.add_option("--config", flags.config_file,
                 "YAML file of the cluster's settings; flags win over it");
  app.add_option("--listen", flags.listen,
                 "gRPC target to listen on, such as 0.0.0.0:7102 or unix:/run/worker.sock; may be "
                 "given several times [a unix socket in --runtime-dir]");
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

absl::StatusOr<Config> ReadWorkerConfig(const WorkerFlags& flags) {
  Config config;
  if (!flags.config_file.empty()) {
    ASSIGN_OR_RETURN(config, ReadConfig(flags.config_file));
  }
  if (flags.threads.has_value()) config.engine.threads = *flags.threads;
  if (flags.dtype.has_value()) {
    config.engine.dtype = *flags.dtype == "bf16" ? Precision::kBf16 : Precision::kFp32;
  }
  if (flags.log_level.has_value()) {
    ASSIGN_OR_RETURN(config.cluster.log_level, ParseLogLevel(*flags.log_level));
  }
  return config;
}

}  // namespace sextant
