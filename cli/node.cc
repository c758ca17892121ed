// `sextant node`: the workers of one host of a larger cluster, kept running.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/commands.h"
#include "cli/node/node_run.h"
#include "cli/supervisor/child_processes.h"
#include "cli/supervisor/runtime_dir.h"
#include "common/base/file.h"
#include "common/base/status.h"
#include "common/config/config.h"
#include "common/program/process.h"

namespace sextant::cli {
namespace {

struct Options {
  std::string config;
  std::string model;
  std::string router;
  std::string address;
  std::string runtime_dir;
};

absl::StatusOr<Config> MakeConfig(const Options& options, const std::string& text) {
  ASSIGN_OR_RETURN(Config config, ParseConfig(text, options.config));
  NodeConfig& node = config.node;
  if (!options.router.empty()) node.router = options.router;
  if (!options.model.empty()) node.model = options.model;
  if (node.model.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.config,
                     " has no node.model; name the model's folder there, or give "
                     "--model DIR"));
  }
  node.model = std::filesystem::absolute(node.model).lexically_normal().string();
  return config;
}

absl::Status Node(const Options& options) {
  PrepareProcess();
  ASSIGN_OR_RETURN(const std::string text, ReadFile(options.config, kMaxYamlBytes));
  ASSIGN_OR_RETURN(const Config config, MakeConfig(options, text));
  ASSIGN_OR_RETURN(const auto runtime_dir, RuntimeDir::Make(options.runtime_dir));
  // Before gRPC makes threads, which are to leave signals to this one.
  ASSIGN_OR_RETURN(const auto processes, ChildProcesses::Open());
  ASSIGN_OR_RETURN(
      const auto run,
      NodeRun::Start({.plan = {.config = config,
                               .program_dir = OwnProgram().parent_path().string(),
                               .runtime_dir = runtime_dir->path(),
                               .address = options.address,
                               .processors = static_cast<int>(std::thread::hardware_concurrency())},
                      .config_file = options.config,
                      .config_text = text,
                      .on_ready =
                          [](const std::vector<std::string>& targets) {
                            std::printf("ready node %s\n", absl::StrJoin(targets, " ").c_str());
                            std::fflush(stdout);
                          }},
                     *processes));
  run->Run();
  return absl::OkStatus();
}

}  // namespace

void AddNodeCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "node", "Run the workers of one host of a larger cluster, as its configuration says");
  command->footer(
      "\nThe router runs elsewhere; any number of nodes join it. How many workers run is in the\n"
      "file's section `node`, which is followed: write other numbers, and workers are started, or\n"
      "leave the cluster, while streams run. One that dies is started again. When all have "
      "joined,\n"
      "one line \"ready node HOST:PORT\" is written to standard output; grpc.health.v1 at that\n"
      "address serves \"\" while the process lives and \"workers\" while all of them do. SIGTERM "
      "or\n"
      "Ctrl-C has all leave the cluster, a second one stops at once.\n\n"
      "  sextant node --config node.yaml --model /models/lite --router host-1:7070\n"
      "  sextant node --config node.yaml --address 10.0.0.7");
  command
      ->add_option("--config", options->config,
                   "YAML file of settings, followed while it runs (docs/configuration.md)")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("-m,--model", options->model,
                   "Folder of the checkpoint, as downloaded [node.model]")
      ->type_name("DIR");
  command->add_option("--router", options->router, "gRPC target of the router [node.router]")
      ->type_name("HOST:PORT");
  command
      ->add_option("--address", options->address,
                   "Address of this host by which others reach its workers [none: this host alone]")
      ->type_name("HOST");
  command
      ->add_option("--runtime-dir", options->runtime_dir,
                   "Folder of the unix sockets between the processes [a temporary one]")
      ->type_name("DIR");
  command->callback([options, &exit_code] { exit_code = ExitCode("node", Node(*options)); });
}

}  // namespace sextant::cli
