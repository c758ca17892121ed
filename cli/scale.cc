// `sextant scale`: more or fewer workers of a running cluster.
#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>

#include "cli/change_call.h"
#include "cli/commands.h"

namespace sextant::cli {
namespace {

struct Options {
  ChangeOptions change;
  std::string role;
  std::int32_t count = 0;
  bool dry_run = false;
};

const std::map<std::string, v1::Role> kScaled = {{"experts", v1::ROLE_EXPERT},
                                                 {"attention", v1::ROLE_ATTENTION},
                                                 {"whole", v1::ROLE_WHOLE},
                                                 {"colocated", v1::ROLE_COLOCATED}};

absl::Status Run(const Options& options) {
  v1::ScaleRequest request;
  request.set_role(kScaled.at(options.role));
  request.set_count(options.count);
  request.set_dry_run(options.dry_run);
  return FollowChange(options.change, false,
                      [&](v1::Admin::Stub& admin, grpc::ClientContext* context) {
                        return admin.Scale(context, request);
                      });
}

}  // namespace

void AddScaleCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "scale", "Change how many workers there are; no stream ends by a change of scale");
  command->footer(
      "\nThe plan comes first, then a line for every step, until the new epoch is committed and\n"
      "what the old one held is dropped. `sextant up` starts and stops the processes; without it,\n"
      "what is to be started is said, and waited for. A later change takes an earlier one's "
      "place.\n"
      "\n"
      "  sextant scale experts 4 --dry-run\n"
      "  sextant scale experts 4\n"
      "  sextant scale attention 2\n"
      "  sextant scale whole 2\n"
      "  sextant scale colocated 4");
  command->add_option("role", options->role, "experts, attention, whole or colocated")
      ->check(CLI::IsMember({"experts", "attention", "whole", "colocated"}))
      ->required()
      ->type_name("ROLE");
  command->add_option("count", options->count, "So many workers of it")
      ->check(CLI::Range(1, 64))
      ->required()
      ->type_name("N");
  command->add_flag("--dry-run", options->dry_run, "Show the plan and change nothing");
  AddChangeOptions(*command, options->change);
  command->callback([options, &exit_code] { exit_code = ExitCode("scale", Run(*options)); });
}

}  // namespace sextant::cli
