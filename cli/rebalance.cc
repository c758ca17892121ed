// `sextant rebalance`: experts move so that the observed load is even.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/change_call.h"
#include "cli/commands.h"

namespace sextant::cli {
namespace {

struct Options {
  ChangeOptions change;
  bool dry_run = false;
};

absl::Status Run(const Options& options) {
  v1::RebalanceRequest request;
  request.set_dry_run(options.dry_run);
  return FollowChange(options.change, false,
                      [&](v1::Admin::Stub& admin, grpc::ClientContext* context) {
                        return admin.Rebalance(context, request);
                      });
}

}  // namespace

void AddRebalanceCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "rebalance", "Move experts so that the load that was observed lately is even");
  command->footer(
      "\nAs few experts move as even out the expert workers; streams run on. The router may do it\n"
      "by itself (router.rebalance in docs/configuration.md).\n\n"
      "  sextant rebalance --dry-run\n"
      "  sextant rebalance");
  command->add_flag("--dry-run", options->dry_run, "Show the plan and change nothing");
  AddChangeOptions(*command, options->change);
  command->callback([options, &exit_code] { exit_code = ExitCode("rebalance", Run(*options)); });
}

}  // namespace sextant::cli
