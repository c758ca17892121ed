#include <CLI/CLI.hpp>

#include "cli/commands.h"

int main(int argc, char** argv) {
  CLI::App app{"Sextant: expert-parallel inference of the DeepSeek-V2 family"};
  app.require_subcommand(1);
  int exit_code = 0;
  sextant::cli::AddBenchCommand(app, exit_code);
  sextant::cli::AddChatCommand(app, exit_code);
  sextant::cli::AddDetokenizeCommand(app, exit_code);
  sextant::cli::AddGenerateCommand(app, exit_code);
  sextant::cli::AddLogitsCommand(app, exit_code);
  sextant::cli::AddMakeCheckpointCommand(app, exit_code);
  sextant::cli::AddStatusCommand(app, exit_code);
  sextant::cli::AddTokenizeCommand(app, exit_code);
  sextant::cli::AddUpCommand(app, exit_code);
  CLI11_PARSE(app, argc, argv);
  return exit_code;
}
