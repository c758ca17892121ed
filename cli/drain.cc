// `sextant drain`: a worker leaves the cluster, and what it holds or computes goes to the others.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/change_call.h"
#include "cli/commands.h"

namespace sextant::cli {
namespace {

struct Options {
  ChangeOptions change;
  std::string worker;
  bool wait = false;
};

absl::Status Run(const Options& options) {
  v1::DrainRequest request;
  request.set_worker_id(options.worker);
  return FollowChange(options.change, !options.wait,
                      [&](v1::Admin::Stub& admin, grpc::ClientContext* context) {
                        return admin.Drain(context, request);
                      });
}

}  // namespace

void AddDrainCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("drain", "Take a worker out of the cluster; it then exits by itself");
  command->footer(
      "\nAn expert worker goes when the others hold its experts, an attention worker when its\n"
      "sequences have ended. `sextant up` does not start it again. The last expert worker cannot\n"
      "be drained.\n\n"
      "  sextant drain expert-host-4711-9f3a --wait");
  command->add_option("worker", options->worker, "As `sextant status` names it")
      ->required()
      ->type_name("WORKER");
  command->add_flag("--wait", options->wait, "Show the steps until it has gone");
  AddChangeOptions(*command, options->change);
  command->callback([options, &exit_code] { exit_code = ExitCode("drain", Run(*options)); });
}

}  // namespace sextant::cli
