// What every kind of worker does around their role: their common flags, and one life from the
// metrics page to the goodbye.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/status.h"
#include "common/config/config.h"
#include "common/observability/log.h"
#include "common/program/program.h"
#include "common/program/program_flags.h"

namespace sextant {

struct WorkerFlags {
  ProgramFlags program;
  std::string model;
  std::string router = "127.0.0.1:7070";
  std::vector<std::string> listen;  // empty: as configured, else a unix socket in runtime_dir
  std::string runtime_dir;
  std::optional<std::int64_t> threads;
  std::optional<std::string> dtype;
};

// `flags` outlives the parse.
void AddWorkerFlags(CLI::App& app, WorkerFlags& flags);

// As ReadProgramConfig, with the flags for the engine laid over it; `listen` belongs to the role's
// own section, too.
[[nodiscard]] absl::StatusOr<Config> ReadWorkerConfig(const WorkerFlags& flags);

// Where others find a metrics page that is at `page`: one of every interface is at the address that
// the worker listens on, as far as it has one.
[[nodiscard]] std::string ReachableAdminTarget(const std::string& page,
                                               const std::vector<std::string>& listen);

struct WorkerLife {
  const char* role;  // "expert_worker"
  std::int64_t admin_port;
  ClusterConfig cluster;
};

// Worker is AttentionWorker or ExpertWorker; `options` as configured, without what is filled in
// here. Errors: those of the metrics page, of Worker::Start, and why the membership has ended.
template <typename Worker>
absl::Status RunWorker(const WorkerLife& life, typename Worker::Options options, StopSource& stop,
                       const ReadyFunction& on_ready) {
  const Logger log(life.role, life.cluster.log_level);
  Metrics metrics;
  ASSIGN_OR_RETURN(const auto page,
                   StartMetricsPage(metrics, life.cluster.admin_host, life.admin_port));
  if (page != nullptr) {
    options.admin_target = ReachableAdminTarget(page->target(), options.listen);
  }
  options.log = log;
  options.on_ended = [&stop] { stop.Request(); };
  ASSIGN_OR_RETURN(const std::unique_ptr<Worker> worker,
                   Worker::Start(std::move(options), metrics));
  on_ready(worker->targets());
  stop.Ready();
  stop.Wait();
  RETURN_IF_ERROR(worker->failure());
  log.Info("leaving; a second signal stops at once");
  worker->Leave(absl::Seconds(life.cluster.drain_seconds));
  return absl::OkStatus();
}

}  // namespace sextant
