// `sextant bench engine`: tokens per second on this machine, beside what it could do at best.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/bench_report.h"
#include "cli/commands.h"
#include "cli/engine/local_engine.h"
#include "cli/engine/process_status.h"
#include "cli/engine_bench.h"
#include "cli/engine_flags.h"
#include "cli/standard_streams.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

struct Options {
  EngineFlags engine;
  std::string output = "text";
  int rounds = 5;
  bool random_weights = false;
  bool kernels = false;
  std::vector<std::int64_t> prompts = {512};
  std::vector<std::int64_t> batches = {1, 4, 8, 16, 32};
  std::vector<std::int64_t> contexts = {128};
};

// About as much work in each case; the small ones need steps to be timed.
std::int64_t StepsFor(std::int64_t batch) { return batch < 4 ? 16 : batch < 16 ? 6 : 3; }

BenchOptions CasesOf(const Options& options) {
  BenchOptions bench;
  bench.rounds = options.rounds;
  bench.kernels = options.kernels;
  for (const std::int64_t prompt : options.prompts) {
    if (prompt > 0) bench.cases.push_back({.decode = false, .rows = prompt});
  }
  for (const std::int64_t context : options.contexts) {
    for (const std::int64_t batch : options.batches) {
      bench.cases.push_back(
          {.decode = true, .rows = batch, .context = context, .steps = StepsFor(batch)});
    }
  }
  return bench;
}

absl::Status BenchEngine(const Options& options) {
  const BenchOptions bench = CasesOf(options);
  ASSIGN_OR_RETURN(EngineConfig config, MakeEngineConfig(options.engine));
  std::int64_t sequences = kMaxSequences;
  for (const BenchCase& of : bench.cases) {
    config.max_batch_tokens = std::max(config.max_batch_tokens, of.rows);
    if (of.decode) sequences = std::max(sequences, of.rows);
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<LocalEngine> local,
                   LocalEngine::Open(options.engine.model, config,
                                     {.random_weights = options.random_weights,
                                      .min_cache_tokens = CacheTokensFor(bench),
                                      .max_sequences = sequences}));
  ASSIGN_OR_RETURN(const double ready_s, SecondsSinceStart());
  ASSIGN_OR_RETURN(const BenchReport report, RunEngineBench(*local, bench, ShowOnTerminal));
  ShowOnTerminal("");
  const BenchedEngine engine{.model_dir = options.engine.model,
                             .model = local->model(),
                             .profile = local->whole().profile(),
                             .precision = local->precision(),
                             .device = local->whole().device(),
                             .memory_table = local->whole().MemoryTable(),
                             .ready_s = ready_s};
  return WriteStandardOutput(options.output == "json" ? ReportAsJson(engine, report)
                                                      : ReportAsText(engine, report));
}

void AddBenchEngineCommand(CLI::App& bench, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = bench.add_subcommand(
      "engine",
      "Time prefill and decode of a model in this process, beside the read bandwidth and the\n"
      "product rate of the machine, measured in between.\n\n"
      "Example:\n"
      "  sextant bench engine --model /data/lite6 --threads 2\n\n"
      "A step is the forward pass and the choice of tokens. Its operators follow one another, and\n"
      "the floor of each is the time in which the machine reads the weights that it needs "
      "(experts\n"
      "as they were routed), or multiplies as often as it does, whichever is longer. \"floor\" is\n"
      "the sum of these over the time of the step; beside it what the step reads and multiplies "
      "as\n"
      "shares of what the machine can. Every figure is the median of the rounds. Let nothing else\n"
      "run meanwhile.");
  AddEngineFlags(*command, options->engine);
  command->add_option("-o,--output", options->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->add_option("--rounds", options->rounds, "How often every case is timed")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--prompt", options->prompts, "Tokens of the prefills: 512,2048; 0: none")
      ->delimiter(',')
      ->check(CLI::Range(0, 32768))
      ->capture_default_str();
  command->add_option("--batch", options->batches, "Sequences of the decode steps: 1,4,8")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      ->add_option("--context", options->contexts,
                   "Tokens before the one that decode steps compute: 512,4096")
      ->delimiter(',')
      ->check(CLI::Range(1, 131072))
      ->capture_default_str();
  AddWeightsFlag(*command, options->random_weights);
  command->add_flag("--kernels", options->kernels,
                    "On a GPU: a table of the kernels of each case, timed one by one");
  command->callback(
      [options, &exit_code] { exit_code = ExitCode("bench engine", BenchEngine(*options)); });
}

}  // namespace

void AddBenchCommand(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "bench",
      "Measure how fast a model runs, in this process or served by a cluster, and how fast GPUs\n"
      "exchange rows");
  command->require_subcommand(1);
  AddBenchEngineCommand(*command, exit_code);
  AddBenchStreamsCommand(*command, exit_code);
  AddBenchServeCommand(*command, exit_code);
  AddBenchExchangeCommand(*command, exit_code);
}

}  // namespace sextant::cli
