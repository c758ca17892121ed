#include "cli/worker.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>

#include "attention_worker/program/attention_flags.h"
#include "cli/commands.h"
#include "cli/engine_flags.h"
#include "cli/worker/whole_worker_model.h"
#include "common/program/process.h"
#include "common/program/stop_signals.h"

namespace sextant::cli {
namespace {

constexpr char kRole[] = "whole_worker";
constexpr int kMostGpus = 64;

struct Flags {
  AttentionFlags attention;
  DeviceFlags device;
  int gpu = 0;
};

void AddFlags(CLI::App& command, Flags& flags) {
  AddAttentionFlags(command, "16384; on a GPU all that there is room for", flags.attention);
  AddDeviceFlags(command, flags.device);
  command.add_option("--gpu", flags.gpu, "Number of the GPU, as CUDA counts [0]")
      ->check(CLI::Range(0, kMostGpus - 1));
}

absl::Status Run(const Flags& flags, StopSource& stop, const ReadyFunction& on_ready) {
  ASSIGN_OR_RETURN(Config config, ReadAttentionConfig(flags.attention, "whole"));
  RETURN_IF_ERROR(LayOver(flags.device, config.engine));
  RETURN_IF_ERROR(CheckEngineConfig(config.engine));
  const WholeWorkerDevice device = {.choice = config.engine.device,
                                    .memory_bytes = config.engine.device_memory_bytes,
                                    .gpu = flags.gpu};
  AttentionWorker::Options options = AttentionOptions(flags.attention, config);
  options.cache_tokens = config.engine.cache_tokens;
  options.open_model = [device](const WorkerModelArgs& args) {
    return OpenWholeWorkerModel(args, device);
  };
  return RunWorker<AttentionWorker>(
      {.role = kRole, .admin_port = config.attention_worker.admin_port, .cluster = config.cluster},
      std::move(options), stop, on_ready);
}

}  // namespace

int WholeWorkerProgram(const Arguments& arguments, StopSource& stop,
                       const ReadyFunction& on_ready) {
  CLI::App app{"Computes a whole model for a Sextant cluster"};
  Flags flags;
  AddFlags(app, flags);
  if (const auto status = Parse(app, Arguments(arguments.begin() + 1, arguments.end())))
    return *status;
  return ExitStatus(kRole, Run(flags, stop, on_ready));
}

void AddWorkerCommand(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "worker", "Compute a whole model for a cluster: attention and experts in one process");
  command->footer(
      "\nIt joins the router by itself and needs no other worker: on a GPU, or on the CPU where "
      "there is\nnone. When it has joined, one line \"ready whole_worker TARGET\" is written to "
      "standard output.\n`sextant up --whole N` and `sextant node` start such workers, one for "
      "each GPU.\n\n"
      "  sextant worker --model /models/lite --router host-1:7070 --listen host-2:7102");
  AddFlags(*command, *flags);
  command->callback([flags, &exit_code] {
    PrepareProcess();
    StopSignals signals;
    exit_code = ExitStatus(kRole, Run(*flags, signals, ReadyLine(kRole)));
  });
}

}  // namespace sextant::cli
