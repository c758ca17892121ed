// The commands of `sextant`, one file each (cli/NAME.cc).
//
// Add<Name>Command declares the subcommand, its options and its help on `app`, and sets a callback
// that does the work and leaves the exit status in `exit_code`; both outlive the parse. A command
// that fails writes one line, "sextant NAME: what is wrong and what to do", to standard error.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace CLI {
class App;
}

namespace sextant::cli {

void AddBenchCommand(CLI::App& app, int& exit_code);
void AddBenchExchangeCommand(CLI::App& bench, int& exit_code);
void AddBenchServeCommand(CLI::App& bench, int& exit_code);
void AddBenchStreamsCommand(CLI::App& bench, int& exit_code);
void AddChatCommand(CLI::App& app, int& exit_code);
void AddDetokenizeCommand(CLI::App& app, int& exit_code);
void AddDrainCommand(CLI::App& app, int& exit_code);
void AddGenerateCommand(CLI::App& app, int& exit_code);
void AddLogitsCommand(CLI::App& app, int& exit_code);
void AddMakeCheckpointCommand(CLI::App& app, int& exit_code);
void AddNodeCommand(CLI::App& app, int& exit_code);
void AddPlanCommand(CLI::App& app, int& exit_code);
void AddRebalanceCommand(CLI::App& app, int& exit_code);
void AddScaleCommand(CLI::App& app, int& exit_code);
void AddStatusCommand(CLI::App& app, int& exit_code);
void AddTokenizeCommand(CLI::App& app, int& exit_code);
void AddTopCommand(CLI::App& app, int& exit_code);
void AddUpCommand(CLI::App& app, int& exit_code);
void AddWorkerCommand(CLI::App& app, int& exit_code);

// 0 when `status` is OK; otherwise prints that one line and gives 1. An empty command is `sextant`
// itself.
int ExitCode(absl::string_view command, const absl::Status& status);

}  // namespace sextant::cli
