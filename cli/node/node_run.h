// The life of `sextant node`: it keeps the workers of one host running, as many as its
// configuration file says now, and tells how they are by health checks and metrics.
//
// Health:    "" while the process lives; "workers" while every worker that is wanted runs and has
//            joined the cluster, and no stop was asked for.
// Threads:   one, besides those of the servers.
// Shutdown:  the first SIGTERM has all workers leave the cluster, the second stops them at once;
//            Run returns when they are gone.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/node/node_metrics.h"
#include "cli/supervisor/child_runner.h"
#include "cli/supervisor/node_plan.h"
#include "cli/supervisor/supervisor.h"
#include "common/base/watched_file.h"
#include "common/observability/log.h"
#include "common/observability/metrics_server.h"
#include "common/rpc/server.h"

namespace sextant::cli {

class NodeRun {
 public:
  struct Options {
    NodePlanArgs plan;
    std::string config_file;
    std::string config_text;  // of it, when it was read for `plan`
    // Told once, when all workers have joined, with the targets of the health service.
    std::function<void(const std::vector<std::string>& targets)> on_ready;
  };

  // `processes` outlive it.
  // Errors: of a worker that cannot be planned (node_plan.h) or would refuse its settings, and of
  // the addresses and ports.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<NodeRun>> Start(Options options,
                                                                      ChildRunner& processes);

  void Run();

 private:
  NodeRun(Options options, std::vector<ChildSpec> workers, ChildRunner& processes);
  absl::Status Serve();
  void Handle(const ChildEvent& event);
  void FollowFile();
  [[nodiscard]] absl::StatusOr<Config> Read(absl::string_view text) const;
  void Take(const Config& config);
  [[nodiscard]] bool IsServing() const;
  void Report();

  const Options options_;
  ChildRunner& processes_;
  const Logger log_;
  const Config in_file_;  // as it was read for `plan`
  WatchedFile file_;
  Supervisor supervisor_;
  Metrics metrics_;
  NodeMetrics counted_;
  bool stopping_ = false;
  bool said_ready_ = false;
  // Both go before what they show.
  std::unique_ptr<MetricsServer> page_;
  std::unique_ptr<RpcServer> health_;
};

}  // namespace sextant::cli
