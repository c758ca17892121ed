#include "expert_worker/program/expert_worker_program.h"

#include "common/device/thread_pool.h"
#include "common/program/worker_program.h"
#include "expert_worker/program/expert_settings.h"
#include "expert_worker/service/expert_worker.h"

namespace sextant {
namespace {

constexpr char kRole[] = "expert_worker";

absl::Status Run(const WorkerFlags& flags, StopSource& stop, const ReadyFunction& on_ready) {
  ASSIGN_OR_RETURN(const Config config, ReadWorkerConfig(flags));
  RETURN_IF_ERROR(CheckSplitEngine(config.engine));
  const ExpertWorkerConfig own = ExpertSettings(flags, config);
  return RunWorker<ExpertWorker>(
      {.role = kRole, .admin_port = own.admin_port, .cluster = config.cluster},
      {.model_dir = flags.model,
       .router_target = flags.router,
       .listen = own.listen,
       .threads = ThreadCount(config.engine.threads),
       .precision = config.engine.dtype},
      stop, on_ready);
}

}  // namespace

int ExpertWorkerProgram(const Arguments& arguments, StopSource& stop,
                        const ReadyFunction& on_ready) {
  CLI::App app{"Holds routed experts of a Sextant cluster and computes with them"};
  WorkerFlags flags;
  AddWorkerFlags(app, flags);
  if (const auto status = Parse(app, arguments)) return *status;
  return ExitStatus(kRole, Run(flags, stop, on_ready));
}

}  // namespace sextant
