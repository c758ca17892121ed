#include "cli/worker.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "attention_worker/program/attention_flags.h"
#include "cli/commands.h"
#include "cli/engine_flags.h"
#include "cli/worker/expert_rank.h"
#include "cli/worker/rank_worker_model.h"
#include "cli/worker/whole_worker_model.h"
#include "common/membership/roles.h"
#include "common/program/process.h"
#include "common/program/stop_signals.h"
#include "expert_worker/program/expert_settings.h"

namespace sextant::cli {
namespace {

constexpr int kMostGpus = 64;

struct Flags {
  AttentionFlags attention;
  DeviceFlags device;
  std::string role = RoleName(v1::ROLE_WHOLE);
  int gpu = 0;
  std::optional<std::int64_t> expert_slots;
  std::optional<std::int64_t> most_ranks;
};

void AddFlags(CLI::App& command, Flags& flags) {
  AddAttentionFlags(command, "16384; on a GPU all that there is room for", flags.attention);
  AddDeviceFlags(command, flags.device);
  command
      .add_option("--gpu", flags.gpu,
                  "Number of the GPU, as CUDA counts; -1 is the last one, -2 the one before [0]")
      ->check(CLI::Range(-kMostGpus, kMostGpus - 1));
  command
      .add_option("--role", flags.role,
                  "whole: the model; of several GPUs that compute one: colocated, attention or "
                  "expert [whole]")
      ->check(CLI::IsMember({"whole", "colocated", "attention", "expert"}));
  command
      .add_option("--expert-slots", flags.expert_slots,
                  "Routed experts that one GPU of several has room for, those that come and those "
                  "that go while they move included; 0: all of the model's [0]")
      ->check(Within(kExpertSlotsRange));
  command
      .add_option("--most-ranks", flags.most_ranks,
                  "GPUs of one model at most; the same for all of them [8]")
      ->check(Within(kMostRanksRange));
}

v1::Role RoleOf(const Flags& flags) {
  for (const v1::Role role : kRoles) {
    if (flags.role == RoleName(role)) return role;
  }
  return v1::ROLE_UNSPECIFIED;
}

std::string NameOf(const Flags& flags) { return flags.role + "_worker"; }

// A worker whose model `open_model` makes: a whole one, or one that attends with several GPUs.
absl::Status RunAttending(const Flags& flags, const Config& config, OpenWorkerModel open_model,
                          StopSource& stop, const ReadyFunction& on_ready) {
  AttentionWorker::Options options = AttentionOptions(flags.attention, config);
  options.cache_tokens = config.engine.cache_tokens;
  options.open_model = std::move(open_model);
  const std::string name = NameOf(flags);
  return RunWorker<AttentionWorker>({.role = name.c_str(),
                                     .admin_port = config.attention_worker.admin_port,
                                     .cluster = config.cluster},
                                    std::move(options), stop, on_ready);
}

absl::Status RunWhole(const Flags& flags, const Config& config, StopSource& stop,
                      const ReadyFunction& on_ready) {
  const WholeWorkerDevice device = {.choice = config.engine.device,
                                    .memory_bytes = config.engine.device_memory_bytes,
                                    .gpu = flags.gpu};
  return RunAttending(
      flags, config,
      [device](const WorkerModelArgs& args) { return OpenWholeWorkerModel(args, device); }, stop,
      on_ready);
}

absl::Status RunRank(const Flags& flags, const Config& config, StopSource& stop,
                     const ReadyFunction& on_ready) {
  if (config.engine.device == DeviceChoice::kCpu) {
    return absl::InvalidArgumentError(
        "--role colocated, attention and expert are of GPUs; on CPUs the programs attention_worker "
        "and expert_worker do this");
  }
  const RankDevice device = {.role = RoleOf(flags),
                             .gpu = flags.gpu,
                             .memory_bytes = config.engine.device_memory_bytes,
                             .expert_slots = static_cast<int>(config.engine.expert_slots),
                             .most_ranks = static_cast<int>(config.engine.most_ranks)};
  if (device.role != v1::ROLE_EXPERT) {
    return RunAttending(
        flags, config,
        [device](const WorkerModelArgs& args) { return RankWorkerModel::Open(args, device); }, stop,
        on_ready);
  }
  const std::string name = NameOf(flags);
  const AttentionWorker::Options options = AttentionOptions(flags.attention, config);
  const ExpertWorkerConfig own = ExpertSettings(flags.attention.worker, config);
  return RunWorker<ExpertRank>(
      {.role = name.c_str(), .admin_port = own.admin_port, .cluster = config.cluster},
      {.model_dir = options.model_dir,
       .router_target = options.router_target,
       .listen = own.listen,
       .device = device,
       .threads = options.threads,
       .precision = options.precision,
       .max_batch_tokens = options.max_batch_tokens,
       .max_sequences = options.max_sequences},
      stop, on_ready);
}

absl::Status Run(const Flags& flags, StopSource& stop, const ReadyFunction& on_ready) {
  ASSIGN_OR_RETURN(Config config, ReadAttentionConfig(flags.attention, flags.role.c_str()));
  RETURN_IF_ERROR(LayOver(flags.device, config.engine));
  sextant::LayOver(flags.expert_slots, config.engine.expert_slots);
  sextant::LayOver(flags.most_ranks, config.engine.most_ranks);
  RETURN_IF_ERROR(CheckEngineConfig(config.engine));
  return RoleOf(flags) == v1::ROLE_WHOLE ? RunWhole(flags, config, stop, on_ready)
                                         : RunRank(flags, config, stop, on_ready);
}

}  // namespace

int WorkerProgram(const Arguments& arguments, StopSource& stop, const ReadyFunction& on_ready) {
  CLI::App app{"Computes a whole model for a Sextant cluster, or on one GPU its share of one"};
  Flags flags;
  AddFlags(app, flags);
  if (const auto status = Parse(app, Arguments(arguments.begin() + 1, arguments.end())))
    return *status;
  return ExitStatus(NameOf(flags).c_str(), Run(flags, stop, on_ready));
}

void AddWorkerCommand(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "worker", "Compute a whole model for a cluster, or on one GPU of several its share of one");
  command->footer(
      "\nA whole worker joins the router by itself and needs no other worker: on a GPU, or on the "
      "CPU where\nthere is none. When it has joined, one line \"ready whole_worker TARGET\" is "
      "written to standard output.\n`sextant up --whole N` and `sextant node` start such workers, "
      "one for each GPU.\n\n"
      "  sextant worker --model /models/lite --router host-1:7070 --listen host-2:7102\n\n"
      "Several GPUs compute one model together, one worker for each: every one attends to "
      "sequences "
      "of its\nown and holds a share of the experts (colocated), or some do this and others that "
      "(attention, expert).\nAll of them take their steps at the same time, so --max-batch-tokens, "
      "--max-sequences and --most-ranks\nhave to be the same for all.\n\n"
      "  sextant worker --role colocated --gpu 0 --model /models/lite --router host-1:7070\n"
      "  sextant worker --role colocated --gpu 1 --model /models/lite --router host-1:7070");
  AddFlags(*command, *flags);
  command->callback([flags, &exit_code] {
    PrepareProcess();
    StopSignals signals;
    const std::string name = NameOf(*flags);
    exit_code = ExitStatus(name.c_str(), Run(*flags, signals, ReadyLine(name.c_str())));
  });
}

}  // namespace sextant::cli
