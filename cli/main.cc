#include <CLI/CLI.hpp>
#include <string>

#include "absl/status/status.h"
#include "cli/commands.h"

namespace {

// One line and status 2 for a command line that cannot be meant.
int UsageError(const CLI::App& app, const CLI::ParseError& error) {
  std::string command;
  for (const CLI::App* chosen : app.get_subcommands()) command = chosen->get_name();
  (void)sextant::cli::ExitCode(
      command, absl::InvalidArgumentError(std::string(error.what()) + "; see sextant " + command +
                                          (command.empty() ? "" : " ") + "--help"));
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Sextant: expert-parallel inference of the DeepSeek-V2 family"};
  app.require_subcommand(1);
  int exit_code = 0;
  sextant::cli::AddBenchCommand(app, exit_code);
  sextant::cli::AddChatCommand(app, exit_code);
  sextant::cli::AddDetokenizeCommand(app, exit_code);
  sextant::cli::AddDrainCommand(app, exit_code);
  sextant::cli::AddGenerateCommand(app, exit_code);
  sextant::cli::AddLogitsCommand(app, exit_code);
  sextant::cli::AddMakeCheckpointCommand(app, exit_code);
  sextant::cli::AddNodeCommand(app, exit_code);
  sextant::cli::AddPlanCommand(app, exit_code);
  sextant::cli::AddRebalanceCommand(app, exit_code);
  sextant::cli::AddScaleCommand(app, exit_code);
  sextant::cli::AddStatusCommand(app, exit_code);
  sextant::cli::AddTokenizeCommand(app, exit_code);
  sextant::cli::AddTopCommand(app, exit_code);
  sextant::cli::AddUpCommand(app, exit_code);
  sextant::cli::AddWorkerCommand(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return UsageError(app, error);
  }
  return exit_code;
}
