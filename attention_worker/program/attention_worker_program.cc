#include "attention_worker/program/attention_worker_program.h"

#include "attention_worker/program/attention_flags.h"

namespace sextant {
namespace {

constexpr char kRole[] = "attention_worker";

absl::Status Run(const AttentionFlags& flags, StopSource& stop, const ReadyFunction& on_ready) {
  ASSIGN_OR_RETURN(const Config config, ReadAttentionConfig(flags, "attention"));
  RETURN_IF_ERROR(CheckSplitEngine(config.engine));
  return RunWorker<AttentionWorker>(
      {.role = kRole, .admin_port = config.attention_worker.admin_port, .cluster = config.cluster},
      AttentionOptions(flags, config), stop, on_ready);
}

}  // namespace

int AttentionWorkerProgram(const Arguments& arguments, StopSource& stop,
                           const ReadyFunction& on_ready) {
  CLI::App app{"Runs the attention half of a Sextant cluster's model, and samples"};
  AttentionFlags flags;
  AddAttentionFlags(app, "16384", flags);
  if (const auto status = Parse(app, arguments)) return *status;
  return ExitStatus(kRole, Run(flags, stop, on_ready));
}

}  // namespace sextant
