// attention_worker: runs the MLA layers of the sequences that routers give it, and samples.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "attention_worker/service/attention_worker.h"
#include "common/base/status.h"
#include "common/config/config.h"
#include "common/device/thread_pool.h"
#include "common/observability/metrics_server.h"
#include "common/rpc/process.h"
#include "common/rpc/stop_signals.h"
#include "common/rpc/unix_socket.h"

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
  std::optional<std::int64_t> cache_tokens;
  std::optional<std::int64_t> max_batch_tokens;
  std::optional<std::int64_t> max_sequences;
  std::optional<std::string> prefix_cache;
  std::optional<std::int64_t> admin_port;
  std::optional<std::string> log_level;
};

CLI::Range Within(const IntRange& range) { return {range.min, range.max}; }

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--model", flags.model, "The model's folder")->required();
  app.add_option("--router", flags.router, "gRPC target of the router")->capture_default_str();
  app.add_option("--config", flags.config_file,
                 "YAML file of the cluster's settings; flags win over it");
  app.add_option("--listen", flags.listen,
                 "gRPC target to listen on, such as 0.0.0.0:7102 or unix:/run/a.sock; may be given "
                 "several times [a unix socket in --runtime-dir]");
  app.add_option("--runtime-dir", flags.runtime_dir,
                 "Folder of the unix socket [a folder of the user's in /tmp]");
  app.add_option("--threads", flags.threads, "Threads that compute; 0: one per processor [0]")
      ->check(Within(kThreadsRange));
  app.add_option("--dtype", flags.dtype, "bf16 or fp32: where results are rounded [bf16]")
      ->check(CLI::IsMember({"bf16", "fp32"}));
  app.add_option("--cache-tokens", flags.cache_tokens,
                 "Tokens that the latent cache holds, all sequences together [16384]")
      ->check(Within(kCacheTokensRange));
  app.add_option("--max-batch-tokens", flags.max_batch_tokens, "Rows of one step at most [512]")
      ->check(Within(kMaxBatchTokensRange));
  app.add_option("--max-sequences", flags.max_sequences,
                 "Sequences computed at once; more wait [64]")
      ->check(Within(kMaxSequencesRange));
  app.add_option("--prefix-cache", flags.prefix_cache,
                 "on or off: keep the heads of prompts for those who come after [on]")
      ->check(CLI::IsMember({"on", "off"}));
  app.add_option("--admin-port", flags.admin_port, "Port of the metrics page; 0: any, -1: none [0]")
      ->check(Within(kAdminPortRange));
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error [info]")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
}

// The file's settings with the flags laid over them.
absl::StatusOr<Config> MakeConfig(const Flags& flags) {
  Config config;
  if (!flags.config_file.empty()) {
    ASSIGN_OR_RETURN(config, ReadConfig(flags.config_file));
  }
  const auto lay_over = [](const auto& given, auto& value) {
    if (given.has_value()) value = *given;
  };
  lay_over(flags.threads, config.engine.threads);
  lay_over(flags.cache_tokens, config.engine.cache_tokens);
  lay_over(flags.max_batch_tokens, config.engine.max_batch_tokens);
  lay_over(flags.max_sequences, config.attention_worker.max_sequences);
  lay_over(flags.admin_port, config.attention_worker.admin_port);
  if (flags.dtype.has_value()) {
    config.engine.dtype = *flags.dtype == "bf16" ? Precision::kBf16 : Precision::kFp32;
  }
  if (flags.prefix_cache.has_value()) {
    config.attention_worker.prefix_cache = *flags.prefix_cache == "on";
  }
  if (flags.log_level.has_value()) {
    ASSIGN_OR_RETURN(config.cluster.log_level, ParseLogLevel(*flags.log_level));
  }
  if (!flags.listen.empty()) config.attention_worker.listen = flags.listen;
  return config;
}

absl::Status Run(const Flags& flags, StopSignals& signals) {
  ASSIGN_OR_RETURN(const Config config, MakeConfig(flags));
  std::vector<std::string> listen = config.attention_worker.listen;
  if (listen.empty()) listen.push_back(OwnUnixTarget(flags.runtime_dir, "attention"));
  const Logger log("attention_worker", config.cluster.log_level);
  Metrics metrics;
  std::unique_ptr<MetricsServer> page;
  if (config.attention_worker.admin_port >= 0) {
    const int port = static_cast<int>(config.attention_worker.admin_port);
    ASSIGN_OR_RETURN(page, MetricsServer::Start(metrics, {.port = port}));
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<AttentionWorker> worker,
                   AttentionWorker::Start({.model_dir = flags.model,
                                           .router_target = flags.router,
                                           .listen = listen,
                                           .threads = ThreadCount(config.engine.threads),
                                           .precision = config.engine.dtype,
                                           .cache_tokens = config.engine.cache_tokens,
                                           .max_batch_tokens = config.engine.max_batch_tokens,
                                           .max_sequences = config.attention_worker.max_sequences,
                                           .prefix_cache = config.attention_worker.prefix_cache,
                                           .admin_target = page == nullptr ? "" : page->target(),
                                           .log = log,
                                           .on_ended = [&signals] { signals.Request(); }},
                                          metrics));
  std::string ready = "ready attention_worker";
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
  CLI::App app{"Runs the attention half of a Sextant cluster's model, and samples"};
  sextant::Flags flags;
  sextant::AddFlags(app, flags);
  CLI11_PARSE(app, argc, argv);
  sextant::StopSignals signals;
  const absl::Status status = sextant::Run(flags, signals);
  if (status.ok()) return 0;
  std::fprintf(stderr, "error: %s\n", std::string(status.message()).c_str());
  return 1;
}
