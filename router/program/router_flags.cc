#include "router/program/router_flags.h"

#include "common/base/status.h"

namespace sextant::router {

void AddRouterFlags(CLI::App& app, RouterFlags& flags) {
  app.add_option("--model", flags.model,
                 "The model's folder: config.json and tokenizer; no weights are read")
      ->required();
  app.add_option("--listen", flags.listen,
                 "gRPC target to listen on, for clients and workers alike; may be given several "
                 "times [127.0.0.1:7070]");
  app.add_option("--queue", flags.queue, "Requests that may wait; more are refused [256]")
      ->check(Within(kQueueRange));
  app.add_option("--wait-seconds", flags.wait_seconds,
                 "That a request without a deadline waits while no worker can serve it [30]")
      ->check(Within(kWaitSecondsRange));
  app.add_option("--served-model-name", flags.served_model_name,
                 "What clients call the model [the name of its folder]");
  app.add_option(
      "--numeric-profile", flags.profile,
      "cpu-avx512bf16, cpu-avx512, cpu-avx2 or cuda, for every worker [the first worker's best]");
  app.add_option("--expert-workers", flags.expert_workers,
                 "Expert workers to wait for before experts are placed; 0: who comes first [0]")
      ->check(CLI::Range(0, 64));
  AddSwitch(app, "--rebalance", flags.rebalance,
            "on: move experts by observed load without being asked; off: when asked [off]");
  app.add_option("--spare-experts", flags.spare_experts,
                 "Experts that a worker may hold beyond an even share to even out the load [0]")
      ->check(Within(kSpareExpertsRange));
  app.add_option("--replicated-experts", flags.replicated_experts,
                 "So many experts, the hottest, are held by two workers [0]")
      ->check(Within(kReplicatedExpertsRange));
  AddProgramFlags(app, flags.program);
}

absl::StatusOr<Config> ReadRouterConfig(const RouterFlags& flags, absl::string_view text) {
  ASSIGN_OR_RETURN(Config config, ParseConfig(text, flags.program.config_file));
  RETURN_IF_ERROR(LayOver(flags.program, config));
  RouterConfig& own = config.router;
  LayOver(flags.program.admin_port, own.admin_port);
  LayOver(flags.listen, own.listen);
  LayOver(flags.queue, own.queue);
  LayOver(flags.wait_seconds, own.wait_seconds);
  LayOver(flags.served_model_name, own.served_model_name);
  LayOver(flags.rebalance, own.rebalance);
  LayOver(flags.spare_experts, own.spare_experts);
  LayOver(flags.replicated_experts, own.replicated_experts);
  return config;
}

}  // namespace sextant::router
