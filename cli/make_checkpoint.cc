#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "cli/commands.h"
#include "cli/engine/progress_bar.h"
#include "common/base/status.h"
#include "common/config/byte_size.h"
#include "common/weights/writer/random_checkpoint.h"

namespace sextant::cli {
namespace {

struct Options {
  RandomCheckpointArgs args;
  std::string shard_size = "5GB";
  bool force = false;
};

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler writes it");

absl::Status Run(Options& options) {
  RandomCheckpointArgs& args = options.args;
  const absl::StatusOr<std::int64_t> shard_bytes = ParseByteSize(options.shard_size);
  if (!shard_bytes.ok()) return AddContext(shard_bytes.status(), "--shard-size");
  args.max_shard_bytes = *shard_bytes;
  args.replace = options.force ? Replace::kCheckpoint : Replace::kNever;
  if (args.threads == 0) args.threads = static_cast<int>(std::thread::hardware_concurrency());
  if (args.threads < 1) args.threads = 1;

  // Ctrl-C ends the writing between two pieces, so that the unfinished folder is removed.
  std::signal(SIGINT, [](int) { interrupted = true; });
  std::signal(SIGTERM, [](int) { interrupted = true; });
  const auto started = std::chrono::steady_clock::now();
  std::int64_t written = 0;
  {
    ProgressBar bar("Writing weights");
    RETURN_IF_ERROR(WriteRandomCheckpoint(args, [&](std::int64_t done, std::int64_t total) {
      bar.Update(done, total);
      written = done;
      return !interrupted;
    }));
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
  std::fprintf(stderr, "%s: %.2f GB of weights in %.1f s\n", args.output_dir.c_str(),
               static_cast<double>(written) / 1e9, elapsed.count());
  return absl::OkStatus();
}

}  // namespace

void AddMakeCheckpointCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "make-checkpoint",
      "Write a checkpoint of random weights in the published layout, for tests and benchmarks");
  command->footer(
      "The same config and seed give the same bytes, whatever the shard size and threads.\n"
      "Example:\n"
      "  sextant make-checkpoint --config tests/benchmark/lite6.json --seed 1 --out /data/lite6");
  command->add_option("--config", options->args.config_path, "The shape: a model's config.json")
      ->required();
  command->add_option("--out", options->args.output_dir, "Folder to create")->required();
  command->add_option("--seed", options->args.seed, "Chooses the weights")->capture_default_str();
  command->add_option("--tokenizer", options->args.tokenizer_dir,
                      "Model folder whose tokenizer and generation files to copy");
  command->add_option("--shard-size", options->shard_size, "Largest size of one file")
      ->capture_default_str();
  command->add_option("--threads", options->args.threads, "Threads that make weights; 0: all")
      ->check(CLI::Range(0, 1024))
      ->default_val(0);
  command->add_flag("--force", options->force, "Replace a checkpoint that is already in --out");
  command->callback(
      [options, &exit_code] { exit_code = ExitCode("make-checkpoint", Run(*options)); });
}

}  // namespace sextant::cli
